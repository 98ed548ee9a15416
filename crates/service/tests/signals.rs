//! What signals do to a whole process.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ortolan_service::Shutdown;
use ortolan_service::shutdown::Drained;

/// Set in the child process that is to be signalled: `ends` for work that ends, `hangs` for work that does not.
const WORK: &str = "SIGNAL_TEST_WORK";

/// Says what happens.
#[allow(clippy::print_stderr)]
fn say(line: &str) {
    eprintln!("{line}");
}

/// The program of the child; does nothing when the tests are run as usual.
#[test]
fn child() {
    let Ok(work) = std::env::var(WORK) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals().unwrap();
        let (token, hangs) = (shutdown.token(), work == "hangs");
        shutdown.spawn(async move {
            token.cancelled().await;
            say("draining");
            if hangs {
                std::future::pending::<()>().await;
            }
        });
        say("running");
        assert_eq!(shutdown.wait_for_drain(Duration::from_secs(60)).await, Drained::Completely);
    });
    std::process::exit(0);
}

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Program {
    fn start(work: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(WORK, work);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut program = Self { child, lines };
        program.expect("running");
        program
    }

    fn expect(&mut self, expected: &str) {
        assert!(self.lines.any(|line| line.unwrap() == expected), "the program ended without saying {expected}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn code(mut self) -> Option<i32> {
        // Until the end: a full pipe would hold the program up.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

#[test]
fn the_first_signal_drains() {
    for name in ["TERM", "INT"] {
        let mut program = Program::start("ends");
        program.signal(name);
        program.expect("draining");
        assert_eq!(program.code(), Some(0));
    }
}

#[test]
fn the_second_signal_ends_the_process_at_once() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut program = Program::start("hangs");
        program.signal("TERM");
        program.expect("draining");
        program.signal(name);
        assert_eq!(program.code(), Some(code));
    }
}
