//! What each command does, one file per group: its words on the command line, and its work.

pub mod completions;
pub mod doctor;
mod findings;
pub mod keys;
pub mod models;
pub mod pictures;
pub mod predict;
mod session;
pub mod slots;
pub mod tasks;
pub mod tenants;

pub(crate) use findings::{boxes, findings};
pub(crate) use session::{Session, ended};

use ortolan_domain::TaskType;

use crate::cli::{ClientCommand, GlobalArgs};
use crate::{Failure, Terminal};

/// Runs a command that talks to a server.
pub async fn run(command: ClientCommand, args: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    match command {
        ClientCommand::Tenants(command) => tenants::run(command, &Session::as_operator(args, terminal)?).await,
        ClientCommand::Keys(command) => keys::run(command, &Session::as_tenant(args, terminal)?).await,
        ClientCommand::Slots(command) => slots::run(command, &Session::as_tenant(args, terminal)?).await,
        ClientCommand::Models(command) => models::run(command, &Session::as_tenant(args, terminal)?).await,
        ClientCommand::Predict(of_it) => predict::run(of_it, &Session::as_tenant(args, terminal)?).await,
        ClientCommand::Tasks(command) => tasks::run(command, &Session::as_tenant(args, terminal)?).await,
        ClientCommand::Detect(of_it) => {
            pictures::find(TaskType::ObjectDetection, of_it, &Session::as_tenant(args, terminal)?).await
        }
        ClientCommand::Segment(of_it) => {
            pictures::find(TaskType::Segmentation, of_it, &Session::as_tenant(args, terminal)?).await
        }
        ClientCommand::Classify(of_it) => pictures::classify(of_it, &Session::as_tenant(args, terminal)?).await,
        ClientCommand::Completions { shell } => completions::run(shell, terminal),
    }
}
