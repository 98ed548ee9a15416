//! What a configuration is loaded from.

use std::path::{Path, PathBuf};

use super::environment;
use super::error::ConfigError;

/// What a process does; it says which settings it cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Everything in one process.
    #[default]
    Everything,
    /// The HTTP API.
    Api,
    /// A worker.
    Worker,
    /// The ML service.
    MlService,
    /// The reconciler.
    Reconciler,
}

/// A configuration file that was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// How messages name it.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Everything that [`Config::load`](crate::Config::load) looks at.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    pub(crate) role: Role,
    pub(crate) file: Option<ConfigFile>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) overrides: Vec<(String, String)>,
}

impl LoadOptions {
    /// The bare defaults for a process of this role.
    pub fn new(role: Role) -> Self {
        Self { role, ..Self::default() }
    }

    /// Adds a file.
    pub fn with_file(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.file = Some(ConfigFile { name: name.into(), text: text.into() });
        self
    }

    /// Adds environment variables.
    pub fn with_environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Adds an option of the command line: a dotted path, and the value as one writes it in a variable.
    pub fn with_override(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.push((path.into(), value.into()));
        self
    }

    /// Adds this process's environment, and the file that `--config` names, else `ORTOLAN_CONFIG`, else `ortolan.toml` in
    /// the data folder if there is one. Call it after [`with_override`](Self::with_override), which may set that folder.
    pub fn with_process(mut self, config: Option<&Path>) -> Result<Self, ConfigError> {
        self.variables.extend(environment::of_process()?);
        if let Some(path) = self.chosen_file(config) {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path)
                .map_err(|source| ConfigError::Unreadable { name: name.clone(), source })?;
            self.file = Some(ConfigFile { name, text });
        }
        Ok(self)
    }

    fn chosen_file(&self, config: Option<&Path>) -> Option<PathBuf> {
        let named = config.map(Path::to_path_buf).or_else(|| self.variable("ORTOLAN_CONFIG").map(PathBuf::from));
        named.or_else(|| Some(self.data_dir().join("ortolan.toml")).filter(|path| path.is_file()))
    }

    fn data_dir(&self) -> PathBuf {
        let option = self.overrides.iter().rfind(|(path, _)| path == "data_dir").map(|(_, value)| value.as_str());
        option.or_else(|| self.variable("ORTOLAN_DATA_DIR")).unwrap_or(DEFAULT_DATA_DIR).into()
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// The data folder of `default.toml`.
const DEFAULT_DATA_DIR: &str = "ortolan-data";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Config;

    #[test]
    fn the_file_is_looked_for_in_the_folder_of_the_defaults() {
        assert_eq!(Config::load(LoadOptions::default()).unwrap().data_dir, Path::new(DEFAULT_DATA_DIR));
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_that_before_the_data_folder() {
        let folder = std::env::temp_dir().join(format!("ortolan-options-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("ortolan.toml"), "").unwrap();
        let options = LoadOptions::default().with_override("data_dir", folder.to_str().unwrap());
        assert_eq!(options.chosen_file(None), Some(folder.join("ortolan.toml")));
        let options = options.with_environment([("ORTOLAN_CONFIG", "/etc/a.toml")]);
        assert_eq!(options.chosen_file(None), Some("/etc/a.toml".into()));
        assert_eq!(options.chosen_file(Some(Path::new("b.toml"))), Some("b.toml".into()));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(LoadOptions::default().with_override("data_dir", "/nowhere").chosen_file(None), None);
    }
}
