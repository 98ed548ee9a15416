//! Environment variables: `ORTOLAN_<SECTION>__<KEY>` for every setting, plain names for some.

use toml::Value;

use super::aliases::{ALIASES, Alias, Conversion, NOT_SETTINGS, OF_TESTS};
use super::error::ConfigError;
use super::file::Flat;
use super::layers::kind;
use super::nearest::nearest;
use super::origin::{Origin, Setting};
use super::secret_files;

const PREFIX: &str = "ORTOLAN_";

/// One variable's value for one setting.
pub(crate) struct Assignment {
    pub(crate) path: String,
    pub(crate) value: Value,
    pub(crate) variable: String,
}

/// The variables of this process that may be settings.
pub(crate) fn of_process() -> Result<Vec<(String, String)>, ConfigError> {
    let text = |name: &std::ffi::OsString| name.to_str().map(str::to_owned);
    let named = std::env::vars_os().filter_map(|(name, value)| Some((text(&name)?, value)));
    let is_ours = |name: &str| name.starts_with(PREFIX) || is_plain(name) || secret_files::variable_of(name).is_some();
    let ours = named.filter(|(name, _)| is_ours(name));
    let ours = ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(ConfigError::NotUnicode { name }),
    });
    secret_files::read(ours.collect::<Result<_, _>>()?)
}

fn is_plain(name: &str) -> bool {
    ALIASES.iter().any(|alias| alias.name == name)
}

/// What `variables` state, the weakest first. An empty variable counts as not set: compose files pass such ones on.
pub(crate) fn stated(variables: &[(String, String)], known: &Flat) -> Result<Vec<Assignment>, ConfigError> {
    let mut found = from_aliases(variables, known, |conversion| !is_implied(conversion))?;
    for (name, text) in variables {
        if name.starts_with(PREFIX) && !text.is_empty() && !is_elsewhere(name, text) {
            found.push(from_prefixed(name, text, known)?);
        }
    }
    Ok(found)
}

/// What `variables` say about other settings than their own, where nobody else says anything.
pub(crate) fn implied(variables: &[(String, String)], known: &Flat) -> Result<Vec<Assignment>, ConfigError> {
    from_aliases(variables, known, is_implied)
}

/// Where two variables state one setting differently: a sentence on which one is used.
pub(crate) fn rivalries(stated: &[Assignment]) -> Vec<String> {
    let rival = |(at, used): (usize, &Assignment)| {
        let unused = stated[..at].iter().rfind(|weaker| weaker.path == used.path && weaker.value != used.value)?;
        let (used, unused, path) = (&used.variable, &unused.variable, &used.path);
        Some(format!("{used} and {unused} both set `{path}`; the value of {used} is used"))
    };
    stated.iter().enumerate().filter_map(rival).collect()
}

/// The variable of a setting.
pub(crate) fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Reads the text of a variable or an option as a value of the kind of `like`.
pub(crate) fn read_text(text: &str, like: &Value, setting: Setting) -> Result<Value, ConfigError> {
    let text = text.trim();
    let value = match like {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.replace('_', "").parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => read_bool(text).map(Value::Boolean),
        Value::Array(_) => read_list(text),
        Value::Datetime(_) | Value::Table(_) => None,
    };
    value.ok_or_else(|| ConfigError::WrongKind { setting, expected: kind(like), found: kind_of_text(text) })
}

/// The last alias of the table is the weakest.
fn from_aliases(
    variables: &[(String, String)],
    known: &Flat,
    wanted: impl Fn(Conversion) -> bool,
) -> Result<Vec<Assignment>, ConfigError> {
    let value = |name: &str| variables.iter().find(|(other, text)| other == name && !text.is_empty());
    let aliases = ALIASES.iter().rev().filter(|alias| wanted(alias.conversion));
    aliases.filter_map(|alias| Some(from_alias(alias, &value(alias.name)?.1, known))).collect()
}

fn is_implied(conversion: Conversion) -> bool {
    matches!(conversion, Conversion::Implies(_))
}

fn from_alias(alias: &Alias, text: &str, known: &Flat) -> Result<Assignment, ConfigError> {
    let like = known.get(alias.path).ok_or_else(|| ConfigError::Defaults(format!("no setting {}", alias.path)))?;
    let setting = Setting { path: alias.path.to_owned(), origin: Origin::Variable(alias.name.to_owned()) };
    let value = convert(alias.conversion, text.trim(), like, setting)?;
    Ok(Assignment { path: alias.path.to_owned(), value, variable: alias.name.to_owned() })
}

fn from_prefixed(name: &str, text: &str, known: &Flat) -> Result<Assignment, ConfigError> {
    let Some((path, like)) = known.iter().find(|(path, _)| variable_name(path) == *name) else {
        return Err(unknown_variable(name, known));
    };
    let setting = Setting { path: path.clone(), origin: Origin::Variable(name.to_owned()) };
    Ok(Assignment { path: path.clone(), value: read_text(text, like, setting)?, variable: name.to_owned() })
}

fn unknown_variable(name: &str, known: &Flat) -> ConfigError {
    let names: Vec<_> = known.keys().map(|path| variable_name(path)).collect();
    let aliases = ALIASES.iter().map(|alias| alias.name);
    let nearest = nearest(name, names.iter().map(String::as_str).chain(aliases)).to_owned();
    ConfigError::UnknownVariable { name: name.to_owned(), nearest }
}

/// True for a variable with our prefix that others set or read: known names, and what Kubernetes puts into every
/// container for a service whose name begins with ours, such as `ORTOLAN_API_SERVICE_HOST` or `ORTOLAN_PORT_80_TCP`.
fn is_elsewhere(name: &str, text: &str) -> bool {
    let is_named = NOT_SETTINGS.contains(&name) || name.starts_with(OF_TESTS);
    let is_known = is_named || is_plain(name);
    let is_service = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    let is_port = name.contains("_PORT") && ["tcp://", "udp://", "sctp://"].iter().any(|begin| text.starts_with(begin));
    let is_port_part = name.contains("_PORT_") && ["_PROTO", "_PORT", "_ADDR"].iter().any(|end| name.ends_with(end));
    is_known || !name.contains("__") && (is_service || is_port || is_port_part)
}

fn convert(conversion: Conversion, text: &str, like: &Value, setting: Setting) -> Result<Value, ConfigError> {
    let word = |word: &str| Ok(Value::String(word.to_owned()));
    match conversion {
        Conversion::Same => read_text(text, like, setting),
        Conversion::Implies(implied) => word(implied),
        Conversion::Mebibytes => match read_text(text, like, setting)? {
            Value::Integer(number) => Ok(Value::Integer(number.saturating_mul(1 << 20))),
            other => Ok(other),
        },
        Conversion::LogLevel => word(&log_level(text)),
        Conversion::Switch(on, off) => match read_bool(text) {
            Some(is_on) => word(if is_on { on } else { off }),
            None => Err(ConfigError::WrongKind { setting, expected: "true or false", found: kind_of_text(text) }),
        },
        Conversion::RateStore if text.starts_with("memory:") => word("memory"),
        Conversion::RateStore if text.starts_with("redis") => word("redis"),
        Conversion::RateStore => {
            Err(ConfigError::Invalid { setting, reason: "expected `memory://` or the address of Redis".to_owned() })
        }
    }
}

fn log_level(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ => text.to_owned(),
    }
}

fn read_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A list: `["a", "b"]`, or `a, b`.
fn read_list(text: &str) -> Option<Value> {
    if text.starts_with('[') {
        let table: toml::Table = format!("list = {text}").parse().ok()?;
        return table.get("list").filter(|list| list.is_array()).cloned();
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
}

fn kind_of_text(text: &str) -> &'static str {
    match text {
        "" => "an empty text",
        _ if text.parse::<i64>().is_ok() => "a whole number",
        _ if text.parse::<f64>().is_ok() => "a number",
        _ if read_bool(text).is_some() => "true or false",
        _ => "a text",
    }
}
