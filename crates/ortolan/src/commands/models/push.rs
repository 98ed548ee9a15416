//! `ortolan models push`.

use std::path::PathBuf;

use clap::Args;
use ortolan_domain::Slot;
use uuid::Uuid;

use super::describe;
use crate::Failure;
use crate::cli::one_of;
use crate::client::{Client, ClientError, Model, NewModel, Upload};
use crate::commands::Session;
use crate::progress::{Board, Work};
use crate::terminal::printable;

const HELP: &str = "\
Examples:
  ortolan models push iris.onnx --version 1.2.0 --validate
  ortolan models push yolo11n.onnx --name detector --promote detect

A version whose file is not served yet takes another one; a version that is ready never changes.";

/// The version to be pushed.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct PushArgs {
    /// The ONNX file
    file: PathBuf,
    /// Name of the model [default: the file's name without .onnx]
    #[arg(long)]
    name: Option<String>,
    /// Label of the version, best a semantic one
    #[arg(long, default_value = "1.0.0")]
    version: String,
    /// A text for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Try the file, so that it can be served
    #[arg(long)]
    validate: bool,
    /// Serve it in this slot; it is tried first
    #[arg(long, value_name = "SLOT", value_parser = one_of(&Slot::ALL, Slot::as_str))]
    promote: Option<Slot>,
}

pub(super) async fn run(args: PushArgs, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let new = NewModel { name: name(&args)?, version: args.version, description: args.description };
    let work = Board::new(session.terminal).begin(&format!("{}@{}", new.name, new.version));
    // Opened first: a file that is not there must not leave a version behind.
    let upload = Upload::open(&args.file, |size_bytes| work.upload(size_bytes)).await?;
    let model = register(client, &new).await?;
    client.upload_model(model.id, upload).await?;
    work.step("uploaded");
    if args.validate || args.promote.is_some() {
        validate(client, &work, model.id).await?;
    }
    if let Some(slot) = args.promote {
        client.promote_model(model.id, slot).await?;
        work.step(&format!("served in slot {}", slot.as_str()));
    }
    drop(work);
    session.terminal.show(&client.model(model.id).await?, describe)
}

fn name(args: &PushArgs) -> Result<String, Failure> {
    let of_file = || args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let missing = || Failure::Usage("the file has no name of its own: give the model one with --name".to_owned());
    args.name.clone().or_else(of_file).ok_or_else(missing)
}

/// Registers the version; one that was registered before and is not served yet, as after an upload that broke, is used again.
async fn register(client: &Client, new: &NewModel) -> Result<Model, Failure> {
    let refusal = match client.create_model(new).await {
        Err(error) if error.code() == Some("duplicate") => error,
        made => return Ok(made?),
    };
    let Some(id) = client.model_version(&new.name, &new.version).await? else { return Err(refusal.into()) };
    let model = client.model(id).await?;
    match model.status.as_str() {
        "pending" | "uploaded" | "error" => Ok(model),
        status => Err(taken(new, status, refusal)),
    }
}

fn taken(new: &NewModel, status: &str, refusal: ClientError) -> Failure {
    let NewModel { name, version, .. } = new;
    let detail = format!("{name}@{version} is {status} and keeps its file: push this one with another --version");
    Failure::Refused { message: printable(&detail), source: refusal }
}

/// Tries a version's file; a failure when it cannot be served.
pub(super) async fn validate(client: &Client, work: &Work, id: Uuid) -> Result<(), Failure> {
    work.step("validating");
    let verdict = client.validate_model(id).await?;
    if verdict.valid {
        work.step("ready");
        return Ok(());
    }
    work.step("cannot be served");
    let reason = verdict.error_message.unwrap_or_default();
    Err(Failure::Failed(printable(&format!("the file cannot be served: {reason}"))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn args(file: &str, name: Option<&str>) -> PushArgs {
        let (file, name, version) = (PathBuf::from(file), name.map(str::to_owned), "1".to_owned());
        PushArgs { file, name, version, description: None, validate: false, promote: None }
    }

    #[test]
    fn a_model_is_called_as_its_file_unless_it_has_a_name() {
        assert_eq!(name(&args("a/iris.v2.onnx", None)).unwrap(), "iris.v2");
        assert_eq!(name(&args("a/iris.onnx", Some("net"))).unwrap(), "net");
        assert!(name(&args("..", None)).is_err());
    }
}
