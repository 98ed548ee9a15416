//! `ortolan slots`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use ortolan_domain::Slot;

use super::Session;
use crate::Failure;
use crate::cli::one_of;
use crate::client::{Slot as SlotView, Upload};
use crate::progress::Board;
use crate::terminal::printable;

/// What can be done with slots.
#[derive(Debug, Subcommand)]
pub enum SlotsCommand {
    /// List the slots that hold a model
    List,
    /// Put a model into a slot; it is tried first, and refused when it does not fit
    #[command(after_help = "Example:\n  ortolan slots put detect yolo11n.onnx")]
    Put {
        /// Which slot
        #[arg(value_name = "TYPE", value_parser = one_of(&Slot::ALL, Slot::as_str))]
        slot: Slot,
        /// The ONNX file
        file: PathBuf,
    },
    /// Empty a slot
    Delete {
        /// Which slot
        #[arg(value_name = "TYPE", value_parser = one_of(&Slot::ALL, Slot::as_str))]
        slot: Slot,
    },
}

pub(super) async fn run(command: SlotsCommand, session: &Session) -> Result<(), Failure> {
    let Session { client, terminal } = session;
    match command {
        SlotsCommand::List => {
            let slots = client.slots().await?;
            terminal.show(&slots, |slots| table(session, slots))
        }
        SlotsCommand::Put { slot, file } => {
            let view = put(session, slot, &file).await?;
            terminal.show(&view, |view| table(session, std::slice::from_ref(view)))
        }
        SlotsCommand::Delete { slot } => {
            client.delete_slot(slot).await?;
            let word = slot.as_str();
            terminal.show(&serde_json::json!({ "slot": word, "deleted": true }), |_| format!("emptied slot {word}"))
        }
    }
}

async fn put(session: &Session, slot: Slot, file: &Path) -> Result<SlotView, Failure> {
    let work = Board::new(session.terminal).begin(slot.as_str());
    let upload = Upload::open(file, |size_bytes| work.upload(size_bytes)).await?;
    let answer = session.client.put_slot(slot, upload).await;
    work.step(if answer.is_ok() { "the model is in its slot" } else { "the slot keeps what it had" });
    Ok(answer?)
}

fn table(session: &Session, slots: &[SlotView]) -> String {
    let rows = slots.iter().map(|slot| {
        let size = slot.size_bytes.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)).unwrap_or_default();
        let [sha256, updated] = [&slot.sha256, &slot.updated_at].map(|text| text.as_deref().unwrap_or("-"));
        let digest = sha256.get(..12).unwrap_or(sha256);
        [&slot.slot, digest, size.as_str(), updated].map(|cell: &str| printable(cell))
    });
    session.terminal.table(["slot", "sha256", "size", "updated"], rows)
}
