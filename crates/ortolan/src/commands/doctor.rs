//! `ortolan doctor`: what works here, what does not, and what to do about it.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::cli::GlobalArgs;
use crate::client::{Client, ClientError, Target};
use crate::terminal::printable;
use crate::{Failure, Terminal};

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Ok,
    /// It works, but not as it should; or it could not be looked at.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What came of it.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing where all is well.
    pub advice: Option<String>,
}

impl Check {
    /// It works.
    pub fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Ok, found: found.into(), advice: None }
    }

    /// It works, but not as it should; or it could not be looked at.
    pub fn warn(name: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warn, advice: Some(advice.into()), ..Self::ok(name, found) }
    }

    /// It does not work.
    pub fn fail(name: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Fail, advice: Some(advice.into()), ..Self::ok(name, found) }
    }
}

/// Adds the checks of the data folder and of a running server to those of this process's parts, and prints all; fails when
/// one of them does.
pub async fn run(
    data_dir: &Path,
    mut checks: Vec<Check>,
    args: &GlobalArgs,
    terminal: Terminal,
) -> Result<(), Failure> {
    checks.insert(0, data_folder(data_dir));
    checks.extend(server(args).await?);
    terminal.show(&checks, |checks| table(terminal, checks))?;
    verdict(&checks)
}

fn verdict(checks: &[Check]) -> Result<(), Failure> {
    match checks.iter().filter(|check| check.state == State::Fail).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed("one check failed".to_owned())),
        failed => Err(Failure::Failed(format!("{failed} checks failed"))),
    }
}

fn table(terminal: Terminal, checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| {
        let state = match check.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        [&check.name, state, &check.found, check.advice.as_deref().unwrap_or_default()]
            .map(|cell: &str| printable(cell))
    });
    terminal.table(["check", "state", "found", "what to do"], rows)
}

/// Whether files can be made in the data folder, or the folder itself where there is none yet.
fn data_folder(folder: &Path) -> Check {
    let shown = folder.display();
    let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(existing) {
        Ok(_) if existing == folder => Check::ok("data folder", format!("{shown} is writable")),
        Ok(_) => Check::ok("data folder", format!("{shown} is not there yet and can be made")),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Check::fail(
            "data folder",
            format!("no space is left for {shown}"),
            "free some, or name another folder with --data-dir",
        ),
        Err(error) => {
            let advice = "name another folder with --data-dir, or make it writable for this user";
            Check::fail("data folder", format!("{shown} is not writable: {error}"), advice)
        }
    }
}

/// Whether a server answers, and what it says of itself. None running is no fault: it may not have been started yet.
async fn server(args: &GlobalArgs) -> Result<Vec<Check>, Failure> {
    let client = Client::new(Target::resolve(args, None)?)?;
    let url = client.target().url().to_owned();
    match client.health().await {
        Ok(health) => {
            let mut checks = vec![Check::ok("server", format!("{url} answers"))];
            checks.extend(parts(&health));
            Ok(checks)
        }
        Err(ClientError::Unreachable { .. }) => Ok(vec![Check::warn(
            "server",
            format!("nothing answers at {url}"),
            "start it with `ortolan up`, or name it with --url",
        )]),
        Err(error) => {
            Ok(vec![Check::fail("server", error.to_string(), "is it an Ortolan server? name another with --url")])
        }
    }
}

/// The parts of a health document.
fn parts(health: &Value) -> Vec<Check> {
    let Some(parts) = health["checks"].as_object() else { return Vec::new() };
    let check = |(name, part): (&String, &Value)| {
        let name = format!("server: {name}");
        let reason = part["reason"].as_str().unwrap_or("no reason given");
        match part["status"].as_str() {
            Some("up") => Check::ok(&name, "up"),
            Some("degraded") => Check::warn(&name, reason, "look into the server's log"),
            _ => Check::fail(&name, reason, "look into the server's log"),
        }
    };
    parts.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_is_judged_by_whether_it_can_be_written_to() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_folder(folder.path()).state, State::Ok);
        assert!(data_folder(&folder.path().join("a/b")).found.contains("can be made"));
        let check = data_folder(Path::new("/proc/ortolan"));
        assert_eq!((check.state, check.advice.is_some()), (State::Fail, true));
    }

    #[test]
    fn a_servers_parts_are_told_one_by_one() {
        let health = json!({"status": "degraded", "checks": {
            "database": {"status": "up"}, "models": {"status": "degraded", "reason": "a preloaded model failed"}, "queue": {"status": "down"}}});
        let states: Vec<_> = parts(&health).into_iter().map(|check| (check.name, check.state)).collect();
        let expected =
            [("server: database", State::Ok), ("server: models", State::Warn), ("server: queue", State::Fail)];
        assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)));
        assert!(parts(&json!({"status": "healthy"})).is_empty());
    }

    #[test]
    fn a_failed_check_gives_exit_code_1_and_a_warning_does_not() {
        let [fine, odd, broken] =
            [Check::ok("a", "fine"), Check::warn("b", "odd", "look"), Check::fail("c", "broken", "mend it")];
        assert!(verdict(&[fine.clone(), odd]).is_ok());
        assert_eq!(verdict(&[fine, broken]).unwrap_err().exit_code(), crate::failure::Exit::Failed);
    }

    #[tokio::test]
    async fn a_server_that_does_not_run_is_a_warning() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let args = GlobalArgs { url: Some(format!("http://127.0.0.1:{port}")), ..GlobalArgs::default() };
        let states: Vec<State> = server(&args).await.unwrap().iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Warn]);
    }
}
