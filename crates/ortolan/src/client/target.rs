//! Which server, with which key, for which tenant.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use reqwest::Url;
use tempfile::NamedTempFile;

use super::ClientError;
use crate::cli::{DEFAULT_DATA_DIR, GlobalArgs};

const DEFAULT_URL: &str = "http://127.0.0.1:8000";
const KEY_FILE: &str = "demo.key";
const URL_FILE: &str = "server.url";

/// A server, and who asks it.
#[derive(Clone)]
pub struct Target {
    pub(super) url: Url,
    pub(super) key: Option<String>,
    pub(super) tenant: Option<String>,
}

impl Target {
    /// A server by its address, `http` or `https` without user, query or fragment.
    pub fn new(url: &str, key: Option<String>, tenant: Option<String>) -> Result<Self, ClientError> {
        let refused = |reason: String| ClientError::BadUrl { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| refused(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refused("it must begin with http:// or https://".to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(ClientError::BadUrl {
                url: "the address".to_owned(),
                reason: "it holds a password".to_owned(),
            });
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refused("it has a query or a fragment".to_owned()));
        }
        Ok(Self { url: parsed, key, tenant })
    }

    /// The server and key that the command line names, else what `ortolan up` left in its data folder. `operator_key` is
    /// for commands that only an operator may use. A kept key goes to servers of this machine only.
    pub fn resolve(args: &GlobalArgs, operator_key: Option<String>) -> Result<Self, ClientError> {
        let data_dir = args.data_dir.as_deref().unwrap_or(Path::new(DEFAULT_DATA_DIR));
        let url = args.url.clone().or_else(|| kept(data_dir, URL_FILE)).unwrap_or_else(|| DEFAULT_URL.to_owned());
        let given = args.key.as_ref().map(|key| key.expose().clone());
        let mut target = Self::new(&url, given.or(operator_key), args.tenant.clone())?;
        if target.key.is_none() && target.is_loopback() {
            target.key = kept_key(data_dir);
        }
        Ok(target)
    }

    /// The address without a trailing slash.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// True for an address of this machine itself.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// The demo's key as kept in the data folder.
pub fn kept_key(data_dir: &Path) -> Option<String> {
    kept(data_dir, KEY_FILE)
}

/// Keeps the demo's key in the data folder, readable by its owner only.
pub fn keep_key(data_dir: &Path, key: &str) -> io::Result<()> {
    keep(data_dir, KEY_FILE, key)
}

/// Leaves the server's address in the data folder for commands that are given none.
pub fn keep_url(data_dir: &Path, url: &str) -> io::Result<()> {
    keep(data_dir, URL_FILE, url)
}

fn kept(data_dir: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(data_dir.join(name)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn keep(data_dir: &Path, name: &str, text: &str) -> io::Result<()> {
    // A temporary file of this kind has mode 0600, and the rename keeps it.
    let mut file = NamedTempFile::new_in(data_dir)?;
    writeln!(file, "{text}")?;
    file.persist(data_dir.join(name)).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn args(data_dir: &Path) -> GlobalArgs {
        GlobalArgs { data_dir: Some(data_dir.to_owned()), ..GlobalArgs::default() }
    }

    #[test]
    fn what_up_left_is_found_and_what_is_said_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = Target::resolve(&args(folder.path()), None).unwrap();
        assert_eq!((nothing.url(), nothing.key.as_deref()), (DEFAULT_URL, None));

        keep_url(folder.path(), "http://127.0.0.1:8123").unwrap();
        keep_key(folder.path(), "kept").unwrap();
        let kept = Target::resolve(&args(folder.path()), None).unwrap();
        assert_eq!((kept.url(), kept.key.as_deref()), ("http://127.0.0.1:8123", Some("kept")));

        let said = GlobalArgs {
            key: Some("said".to_owned().into()),
            url: Some("http://localhost:1/".into()),
            ..args(folder.path())
        };
        let said = Target::resolve(&said, Some("operator".into())).unwrap();
        assert_eq!((said.url(), said.key.as_deref()), ("http://localhost:1", Some("said")));
    }

    #[test]
    fn a_kept_key_never_leaves_the_machine_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        keep_key(folder.path(), "secret").unwrap();
        let mode = fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for (url, key) in [
            ("http://127.0.0.1:9", Some("secret")),
            ("http://[::1]:9", Some("secret")),
            ("https://ortolan.example", None),
            ("http://localhost.example", None),
        ] {
            let args = GlobalArgs { url: Some(url.into()), ..args(folder.path()) };
            assert_eq!(Target::resolve(&args, None).unwrap().key.as_deref(), key, "{url}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_are_refused_without_telling_a_password() {
        for bad in ["", "localhost", "ftp://a", "http://", "http://u:hunter2@a", "http://a/?x=1"] {
            let error = Target::new(bad, None, None).err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
