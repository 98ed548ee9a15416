//! `ortolan tenants`.

use clap::Subcommand;
use ortolan_domain::TenantSlug;

use super::Session;
use crate::Failure;
use crate::client::Tenant;
use crate::terminal::printable;

/// What can be done with tenants.
#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    /// Make a tenant
    Create {
        /// 1 to 100 of a-z, 0-9, '-' and '_'
        #[arg(value_parser = TenantSlug::parse)]
        name: TenantSlug,
    },
    /// List all tenants
    List,
    /// Show one tenant
    Show {
        /// Its name or id
        tenant: String,
    },
    /// Refuse a tenant's keys from now on
    Disable {
        /// Its name or id
        tenant: String,
    },
    /// Take a disabled tenant's keys again
    Enable {
        /// Its name or id
        tenant: String,
    },
    /// Delete a tenant with its models, media, tasks and results
    Delete {
        /// Its name or id
        tenant: String,
        /// Really delete it; there is no way back
        #[arg(long, required = true)]
        yes: bool,
    },
}

pub(super) async fn run(command: TenantsCommand, session: &Session) -> Result<(), Failure> {
    let Session { client, terminal } = session;
    match command {
        TenantsCommand::Create { name } => {
            let tenant = client.create_tenant(&name).await?;
            terminal
                .show(&tenant, |tenant| format!("made tenant {} ({})", printable(&tenant.name), printable(&tenant.id)))
        }
        TenantsCommand::List => {
            let tenants = client.tenants().await?;
            terminal.show(&tenants, |tenants| table(session, tenants))
        }
        TenantsCommand::Show { tenant } => {
            let tenant = find(session, &tenant).await?;
            terminal.show(&tenant, |tenant| table(session, std::slice::from_ref(tenant)))
        }
        TenantsCommand::Disable { tenant } => set_disabled(session, &tenant, true).await,
        TenantsCommand::Enable { tenant } => set_disabled(session, &tenant, false).await,
        TenantsCommand::Delete { tenant, .. } => {
            let tenant = find(session, &tenant).await?;
            client.delete_tenant(&tenant.id).await?;
            terminal.show(&tenant, |tenant| format!("deleted tenant {}", printable(&tenant.name)))
        }
    }
}

async fn set_disabled(session: &Session, name: &str, disabled: bool) -> Result<(), Failure> {
    let tenant = find(session, name).await?;
    let tenant = session.client.set_tenant_disabled(&tenant.id, disabled).await?;
    let word = if disabled { "disabled" } else { "enabled" };
    session.terminal.show(&tenant, |tenant| format!("{word} tenant {}", printable(&tenant.name)))
}

async fn find(session: &Session, name: &str) -> Result<Tenant, Failure> {
    let found = session.client.tenant(name).await?;
    found.ok_or_else(|| Failure::NotFound(format!("there is no tenant {name:?}")))
}

fn table(session: &Session, tenants: &[Tenant]) -> String {
    let rows = tenants.iter().map(|tenant| {
        let state = if tenant.disabled { "disabled" } else { "enabled" };
        [printable(&tenant.name), state.to_owned(), printable(&tenant.created_at), printable(&tenant.id)]
    });
    session.terminal.table(["name", "state", "created", "id"], rows)
}
