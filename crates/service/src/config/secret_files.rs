//! Secrets in files, as Docker and Kubernetes mount them: `<NAME>_FILE` names the file that holds the value of `<NAME>`.

use super::aliases::{ALIASES, Conversion};
use super::environment::variable_name;
use super::error::ConfigError;

const SUFFIX: &str = "_FILE";

/// The settings whose variables may name a file instead: what is secret, and addresses that may hold a password.
pub(crate) const SETTINGS: &[&str] = &[
    "database.url",
    "redis.url",
    "secrets.secret_key",
    "secrets.sentry_dsn",
    "secrets.operator_key",
    "secrets.otlp_headers",
    "storage.s3_access_key_id",
    "storage.s3_secret_access_key",
    "storage.s3_session_token",
    "storage.gcs_token",
];

/// The variable whose value stands in the file that the variable `name` names, if it is such a one.
pub(crate) fn variable_of(name: &str) -> Option<&str> {
    let variable = name.strip_suffix(SUFFIX)?;
    let is_plain = |path: &str| {
        let mut aliases = ALIASES.iter().filter(|alias| alias.conversion == Conversion::Same);
        aliases.any(|alias| alias.name == variable && alias.path == path)
    };
    SETTINGS.iter().any(|path| variable_name(path) == variable || is_plain(path)).then_some(variable)
}

/// Puts the contents of files in the place of their names. An empty variable counts as not set; a line's end at the end of
/// a file does not belong to its value.
pub(crate) fn read(variables: Vec<(String, String)>) -> Result<Vec<(String, String)>, ConfigError> {
    let (files, mut values): (Vec<_>, Vec<_>) =
        variables.into_iter().partition(|(name, _)| variable_of(name).is_some());
    for (file_variable, path) in files.into_iter().filter(|(_, path)| !path.is_empty()) {
        let variable = variable_of(&file_variable).unwrap_or_default().to_owned();
        if values.iter().any(|(name, value)| *name == variable && !value.is_empty()) {
            return Err(ConfigError::ValueAndFile { variable, file_variable });
        }
        let content = std::fs::read_to_string(&path);
        let content = content.map_err(|source| ConfigError::SecretFile { variable: file_variable, path, source })?;
        values.push((variable, content.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read_pairs(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, ConfigError> {
        read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_file_gives_the_value_without_the_end_of_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, " s3cret \r\n").unwrap();
        let path = file.path().to_str().unwrap();
        for name in ["DATABASE_URL", "ORTOLAN_OPERATOR_KEY", "AWS_SECRET_ACCESS_KEY", "ORTOLAN_STORAGE__GCS_TOKEN"] {
            let found = read_pairs(&[("LOG_LEVEL", "info"), (&format!("{name}_FILE"), path), (name, "")]).unwrap();
            assert_eq!(found.last().unwrap(), &(name.to_owned(), " s3cret ".to_owned()));
            assert!(found.iter().all(|(name, _)| !name.ends_with("_FILE")));
        }
    }

    #[test]
    fn a_value_beside_its_file_and_a_file_that_is_not_there_are_refused() {
        let both = read_pairs(&[("REDIS_URL", "redis://a"), ("REDIS_URL_FILE", "/b")]).unwrap_err();
        assert_eq!(both.to_string(), "REDIS_URL and REDIS_URL_FILE are both set; unset one of them");
        let missing = read_pairs(&[("SECRET_KEY_FILE", "/no/such/file")]).unwrap_err().to_string();
        assert!(missing.contains("SECRET_KEY_FILE") && missing.contains("/no/such/file"), "{missing}");
        assert_eq!(read_pairs(&[("SECRET_KEY_FILE", "")]).unwrap(), []);
    }

    #[test]
    fn only_secrets_are_read_from_files() {
        for name in
            ["LOG_LEVEL_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "ORTOLAN_STORAGE__BUCKET_FILE", "_FILE", "DATABASE_URL"]
        {
            assert_eq!(variable_of(name), None, "{name}");
        }
    }
}
