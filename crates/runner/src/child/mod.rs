//! The runner's side.

/// Runs as a runner until the service ends. Does not return.
pub fn main() -> std::process::ExitCode {
    todo!()
}
