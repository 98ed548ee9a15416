//! `ortolan completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::{Failure, Terminal};

/// Prints the completion script of a shell.
pub fn run(shell: Shell, terminal: Terminal) -> Result<(), Failure> {
    terminal.line(script(shell).trim_end())
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ortolan", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for &shell in Shell::value_variants() {
            let script = script(shell);
            assert!(script.contains("ml-service") && script.contains("artifacts"), "{shell}");
        }
    }
}
