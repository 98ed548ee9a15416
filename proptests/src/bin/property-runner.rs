//! The runner's process, for properties with an ML service.

fn main() -> std::process::ExitCode {
    ortolan_runner::child::main()
}
