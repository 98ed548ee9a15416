//! What can go wrong, in our own words. The runtime's texts name paths and source lines, so they go to the log only.

use ort::ErrorCode;

/// Why the runtime could not be opened, or did not load or run a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The shared library is missing, is no ONNX Runtime, or is too old.
    #[error("the ONNX Runtime library could not be opened: {0}")]
    Runtime(String),
    /// The device's provider is not there or refuses to start.
    #[error("the device {0} is not available")]
    DeviceUnavailable(String),
    /// The bytes are no ONNX model at all.
    #[error("the file is not an ONNX model")]
    NotAModel,
    /// The bytes are an ONNX model with something wrong in it.
    #[error("the model is not valid: {0}")]
    InvalidModel(String),
    /// The model needs what this runtime has not got.
    #[error("the model is not supported: {0}")]
    UnsupportedModel(String),
    /// The inputs do not fit the model.
    #[error("{0}")]
    BadInput(String),
    /// A limit on memory was met, at load or at run.
    #[error("there was not enough memory")]
    OutOfMemory,
    /// The run was stopped by its [`RunControl`](crate::RunControl).
    #[error("the run was stopped")]
    Stopped,
    /// The run failed inside of the model.
    #[error("the model failed while it ran")]
    RunFailed,
    /// An output has more than can be carried.
    #[error("{0}")]
    TooLarge(String),
    /// An output is of a kind that cannot be carried.
    #[error("the output {0:?} is of a type that is not supported")]
    UnsupportedOutput(String),
}

impl EngineError {
    /// Words for an error at load.
    pub(crate) fn at_load<R>(error: &ort::Error<R>) -> Self {
        let text = error.message();
        tracing::debug!(code = ?error.code(), text, "model refused by the runtime");
        if tells_of_memory(text) {
            return Self::OutOfMemory;
        }
        match error.code() {
            ErrorCode::InvalidProtobuf | ErrorCode::NoModel => Self::NotAModel,
            ErrorCode::InvalidArgument if text.contains("No graph was found") => Self::NotAModel,
            ErrorCode::NotImplemented => Self::UnsupportedModel(unimplemented(text)),
            _ => unknown_operator(text).unwrap_or_else(|| Self::InvalidModel(invalid(text).to_owned())),
        }
    }

    /// Words for an error at run.
    pub(crate) fn at_run<R>(error: &ort::Error<R>) -> Self {
        let text = error.message();
        tracing::debug!(code = ?error.code(), text, "run refused by the runtime");
        match error.code() {
            _ if tells_of_memory(text) => Self::OutOfMemory,
            ErrorCode::InvalidArgument => Self::BadInput("the inputs do not fit the model".to_owned()),
            _ => Self::RunFailed,
        }
    }
}

/// The runtime has no code of its own for a failed allocation.
fn tells_of_memory(text: &str) -> bool {
    ["Failed to allocate", "bad_alloc", "requested buffer of size", "requested bytes of"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// What is wrong with a graph, as far as the runtime's text tells it by a known phrase.
fn invalid(text: &str) -> &'static str {
    const PHRASES: [(&str, &str); 9] = [
        ("is not acyclic", "its graph has a cycle"),
        ("must not be recursive", "a function of it calls itself"),
        ("Duplicate definition", "a name in it is defined twice"),
        ("two nodes with same node name", "two of its nodes have one name"),
        ("is not a graph input", "a node of it reads a value that nothing gives"),
        ("does not have type information", "an input of it has no type"),
        ("does not have valid data type", "a tensor of it has no valid type"),
        ("Missing opset", "it names no operator set"),
        ("Type Error", "types in its graph do not fit each other"),
    ];
    PHRASES.iter().find(|(sign, _)| text.contains(sign)).map_or("the runtime refuses its graph", |(_, words)| words)
}

fn unimplemented(text: &str) -> String {
    let operator = text.split("implementation for ").nth(1).and_then(|rest| identifier(rest.split('(').next()?));
    match operator {
        Some(operator) => format!("there is no implementation of the operator {operator}"),
        None => "it uses something that is not implemented".to_owned(),
    }
}

/// Finds the operator that the runtime does not know: `Fatal error: domain:Name(-1) is not a registered function/op`, or
/// `In Node, ("name", Name, "domain", -1)`, where the -1 says that no operator set has it.
fn unknown_operator(text: &str) -> Option<EngineError> {
    let named = if let Some((before, _)) = text.split_once(" is not a registered function/op") {
        identifier(before.rsplit(": ").next()?.split('(').next()?)?
    } else {
        let node = text.split("In Node, (").nth(1)?.split(") :").next()?;
        let mut fields = node.rsplit(", ");
        let (_, _) = (fields.next().filter(|since| *since == "-1")?, fields.next()?);
        identifier(fields.next()?)?
    };
    Some(EngineError::UnsupportedModel(format!("there is no operator {named}")))
}

/// A name that is safe to show: letters, digits and a few signs, not long.
fn identifier(text: &str) -> Option<&str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    (!text.is_empty() && text.len() <= 100 && text.chars().all(safe)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_operator_is_named() {
        let words = |text| unknown_operator(text).map(|error| error.to_string());
        let of_domain = words("Fatal error: com.evil:Custom(-1) is not a registered function/op");
        assert_eq!(of_domain.as_deref(), Some("the model is not supported: there is no operator com.evil:Custom"));
        let of_onnx = words(
            r#"This is an invalid model. In Node, ("", LaunchMissiles, "", -1) : ("x": tensor(float),) -> ("y")"#,
        );
        assert_eq!(of_onnx.as_deref(), Some("the model is not supported: there is no operator LaunchMissiles"));
        assert_eq!(words(r#"In Node, ("", Relu, "", 17) : ("",)"#), None, "a known operator used wrongly");
        assert_eq!(
            words("Fatal error: /etc/passwd\nx(-1) is not a registered function/op"),
            None,
            "no text of the file's choice"
        );
    }
}
