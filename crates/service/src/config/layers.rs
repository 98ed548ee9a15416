//! Laying the file, the environment and the command line over the defaults.

use toml::Value;

use super::environment::{self, Assignment};
use super::error::ConfigError;
use super::file::{self, Flat};
use super::nearest::nearest;
use super::options::LoadOptions;
use super::origin::{Origin, Origins, Setting};
use super::{Config, ranges};

/// The commented defaults. They name every setting, and their values say of which kind each one is.
pub(crate) const DEFAULTS: &str = include_str!("default.toml");

/// The values that hold, and where each one came from.
pub(crate) struct Layers {
    values: Flat,
    origins: Origins,
    warnings: Vec<String>,
}

/// The defaults by dotted path.
pub(crate) fn defaults() -> Result<Flat, ConfigError> {
    file::parse("default.toml", DEFAULTS).map_err(|error| ConfigError::Defaults(error.to_string()))
}

impl Layers {
    /// Lays all layers of `options` over the defaults, the weakest first.
    pub(crate) fn over_defaults(options: LoadOptions) -> Result<Self, ConfigError> {
        let mut layers = Self { values: defaults()?, origins: Origins::new(), warnings: Vec::new() };
        for Assignment { path, value, variable } in environment::implied(&options.variables, &layers.values)? {
            layers.set(path, value, Origin::Variable(variable))?;
        }
        if let Some(config_file) = options.file {
            for (path, value) in file::parse(&config_file.name, &config_file.text)? {
                layers.set(path, value, Origin::File(config_file.name.clone()))?;
            }
        }
        let stated = environment::stated(&options.variables, &layers.values)?;
        layers.warnings = environment::rivalries(&stated);
        for Assignment { path, value, variable } in stated {
            layers.set(path, value, Origin::Variable(variable))?;
        }
        for (path, text) in options.overrides {
            let value = layers.read_text(&path, &text)?;
            layers.set(path, value, Origin::CommandLine)?;
        }
        Ok(layers)
    }

    /// The values as the typed configuration.
    pub(crate) fn typed(&self) -> Result<Config, ConfigError> {
        serde_path_to_error::deserialize(Value::Table(file::nest(&self.values))).map_err(|error| {
            let path = error.path().to_string();
            ConfigError::Invalid { setting: self.setting(&path), reason: error.inner().message().to_owned() }
        })
    }

    /// Where values came from, and what the operator should know.
    pub(crate) fn into_facts(self) -> (Origins, Vec<String>) {
        (self.origins, self.warnings)
    }

    fn set(&mut self, path: String, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let Some(default) = self.values.get(&path) else { return Err(self.unknown(path, &origin)) };
        let setting = Setting { path: path.clone(), origin: origin.clone() };
        let value = as_kind_of(default, value, &setting)?;
        ranges::check(&setting, &value)?;
        self.origins.insert(path.clone(), origin);
        self.values.insert(path, value);
        Ok(())
    }

    fn read_text(&self, path: &str, text: &str) -> Result<Value, ConfigError> {
        let Some(like) = self.values.get(path) else { return Err(self.unknown(path.to_owned(), &Origin::CommandLine)) };
        let setting = Setting { path: path.to_owned(), origin: Origin::CommandLine };
        environment::read_text(text, like, setting)
    }

    fn unknown(&self, key: String, origin: &Origin) -> ConfigError {
        let nearest = nearest(&key, self.values.keys().map(String::as_str)).to_owned();
        ConfigError::UnknownKey { place: origin.to_string(), key, nearest }
    }

    fn setting(&self, path: &str) -> Setting {
        let leaf = self.values.keys().find(|known| path == *known || path.starts_with(&format!("{known}[")));
        let path = leaf.map_or(path, String::as_str);
        Setting { path: path.to_owned(), origin: self.origins.get(path).cloned().unwrap_or_default() }
    }
}

/// Checks that `value` is of the kind of `default`; a whole number is a number, too.
fn as_kind_of(default: &Value, value: Value, setting: &Setting) -> Result<Value, ConfigError> {
    match (default, value) {
        (Value::Float(_), Value::Integer(number)) => Ok(Value::Float(number as f64)),
        (default, value) if default.same_type(&value) => Ok(value),
        (default, value) => {
            Err(ConfigError::WrongKind { setting: setting.clone(), expected: kind(default), found: kind(&value) })
        }
    }
}

/// The kind of a value, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
