//! `ortolan models`.

mod push;
mod which;

use clap::{Args, Subcommand};
use ortolan_domain::Slot;
use ortolan_domain::model::ModelStatus;

pub use push::PushArgs;
pub(super) use which::Which;

use super::Session;
use crate::Failure;
use crate::cli::one_of;
use crate::client::{Model, ModelFilter, ModelPage, Port};
use crate::progress::Board;
use crate::terminal::printable;

/// What can be done with versions of models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Register a version and upload its file
    Push(PushArgs),
    /// List versions, the newest first
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show one version
    Show {
        /// Its id, its name, or its name and version as NAME@VERSION
        model: Which,
    },
    /// Try a version's file, so that it can be served
    Validate {
        /// Its id, its name, or its name and version as NAME@VERSION
        model: Which,
    },
    /// Serve a ready version in a slot
    Promote {
        /// Its id, its name, or its name and version as NAME@VERSION
        model: Which,
        /// Which slot
        #[arg(value_name = "SLOT", value_parser = one_of(&Slot::ALL, Slot::as_str))]
        slot: Slot,
    },
    /// Delete a version with its file, predictions and jobs
    #[command(visible_alias = "rm")]
    Delete {
        /// Its id, or its name and version as NAME@VERSION
        model: Which,
    },
}

/// Which versions are listed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only versions of this name
    #[arg(long)]
    name: Option<String>,
    /// Only versions with this status
    #[arg(long, value_parser = one_of(&ModelStatus::ALL, ModelStatus::as_str))]
    status: Option<ModelStatus>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Which page of them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,
}

pub(super) async fn run(command: ModelsCommand, session: &Session) -> Result<(), Failure> {
    let Session { client, terminal } = session;
    match command {
        ModelsCommand::Push(args) => push::run(args, session).await,
        ModelsCommand::List(args) => list(args, session).await,
        ModelsCommand::Show { model } => terminal.show(&client.model(model.id(client).await?).await?, describe),
        ModelsCommand::Validate { model } => {
            let id = model.id(client).await?;
            let work = Board::new(*terminal).begin(&model.to_string());
            push::validate(client, &work, id).await?;
            drop(work);
            terminal.show(&client.model(id).await?, describe)
        }
        ModelsCommand::Promote { model, slot } => {
            let served = client.promote_model(model.id(client).await?, slot).await?;
            terminal.show(&served, |_| format!("slot {} serves {model}", slot.as_str()))
        }
        ModelsCommand::Delete { model } => {
            let id = model.one(client).await?;
            client.delete_model(id).await?;
            terminal.show(&serde_json::json!({ "id": id, "deleted": true }), |_| format!("deleted {model}"))
        }
    }
}

async fn list(args: ListArgs, session: &Session) -> Result<(), Failure> {
    let ListArgs { name, status, limit, page } = args;
    let filter = ModelFilter { name, status: status.map(ModelStatus::as_str), page, page_size: limit };
    let found = session.client.models(&filter).await?;
    session.terminal.show(&found, |found| table(session, found))?;
    let shown = u64::from(page - 1) * u64::from(limit) + found.items.len() as u64;
    if !session.terminal.is_json() && shown < found.total {
        session.terminal.note(&format!("{shown} of {} versions; the next ones with --page {}", found.total, page + 1));
    }
    Ok(())
}

fn table(session: &Session, page: &ModelPage) -> String {
    let rows = page.items.iter().map(|model| {
        let (id, size) = (model.id.to_string(), size(model.file_size_bytes));
        [&id, &model.name, &model.version, &model.status, &size, &model.created_at].map(|cell| printable(cell))
    });
    session.terminal.table(["id", "name", "version", "status", "size", "created"], rows)
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6))
}

fn describe(model: &Model) -> String {
    let mut lines = vec![
        format!("model    {}", printable(&format!("{}@{}", model.name, model.version))),
        format!("id       {}", model.id),
        format!("status   {}", printable(&model.status)),
        format!("created  {}", printable(&model.created_at)),
        format!(
            "file     {} {}",
            size(model.file_size_bytes),
            printable(model.file_hash.as_deref().unwrap_or_default())
        ),
    ];
    for (what, ports) in [("input ", &model.input_schema), ("output", &model.output_schema)] {
        lines.extend(ports.iter().flatten().map(|port| format!("{what}   {}", of_port(port))));
    }
    lines.extend(model.error_message.iter().map(|reason| format!("error    {}", printable(reason))));
    lines.join("\n")
}

fn of_port(port: &Port) -> String {
    let axes: Vec<String> =
        port.shape.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string())).collect();
    printable(&format!("{} {} [{}]", port.name, port.dtype, axes.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_version_is_described_with_what_it_takes_and_gives() {
        let model = json!({"id": Uuid::nil(), "name": "iris", "version": "1.0.0", "status": "ready", "created_at": "2026-01-01T00:00:00Z",
            "file_size_bytes": 1_500_000, "file_hash": "ab", "input_schema": [{"name": "x\u{1b}", "dtype": "FP32", "shape": [null, 4]}]});
        let text = describe(&serde_json::from_value(model).unwrap());
        assert!(text.contains("iris@1.0.0") && text.contains("1.5 MB ab"), "{text}");
        assert!(text.ends_with("input    x\\u{1b} FP32 [?, 4]"), "{text}");
    }
}
