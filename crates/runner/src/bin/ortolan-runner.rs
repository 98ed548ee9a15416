//! A runner on its own, for the tests of this crate.

fn main() -> std::process::ExitCode {
    ortolan_runner::child::main()
}
