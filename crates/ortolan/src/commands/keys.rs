//! `ortolan keys`.

use clap::Subcommand;
use ortolan_domain::Scope;
use uuid::Uuid;

use super::Session;
use crate::Failure;
use crate::cli::one_of;
use crate::client::Key;
use crate::terminal::printable;

/// Scopes that a tenant's key may have; an operator's key belongs to no tenant.
const SCOPES: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Admin];

/// What can be done with the keys of a tenant: the key's own, or the one that an operator names with `--tenant`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it, this once
    #[command(after_help = "Example:\n  ortolan keys create ci --scope read --scope write")]
    Create {
        /// A name for people
        name: String,
        /// What it may do; all three unless given
        #[arg(long = "scope", value_name = "SCOPE", value_parser = one_of(&SCOPES, Scope::as_str))]
        scopes: Vec<Scope>,
    },
    /// List keys, without their text
    List,
    /// Revoke a key at once
    Revoke {
        /// Its id
        key_id: Uuid,
    },
}

pub(super) async fn run(command: KeysCommand, session: &Session) -> Result<(), Failure> {
    let Session { client, terminal } = session;
    match command {
        KeysCommand::Create { name, scopes } => {
            let scopes = if scopes.is_empty() { SCOPES.to_vec() } else { scopes };
            let key = client.create_key(&tenant_id(session).await?, &name, &scopes).await?;
            if !terminal.is_json() {
                terminal.note("this key is shown once and kept nowhere:");
            }
            terminal.show(&key, |key| printable(key.key.as_deref().unwrap_or_default()))
        }
        KeysCommand::List => {
            let keys = client.keys(&tenant_id(session).await?).await?;
            terminal.show(&keys, |keys| table(session, keys))
        }
        KeysCommand::Revoke { key_id } => {
            client.revoke_key(key_id).await?;
            terminal.show(&serde_json::json!({ "id": key_id, "revoked": true }), |_| format!("revoked key {key_id}"))
        }
    }
}

async fn tenant_id(session: &Session) -> Result<String, Failure> {
    let tenant = session.client.me().await?.tenant;
    let unnamed = || Failure::Usage("an operator's key belongs to no tenant: name one with --tenant".to_owned());
    Ok(tenant.ok_or_else(unnamed)?.id)
}

fn table(session: &Session, keys: &[Key]) -> String {
    let rows = keys.iter().map(|key| {
        let revoked = key.more.get("revoked_at").and_then(|at| at.as_str()).unwrap_or("-");
        [&key.name, &key.scopes.join(","), &key.created_at, revoked, &key.id].map(|cell: &str| printable(cell))
    });
    session.terminal.table(["name", "scopes", "created", "revoked", "id"], rows)
}
