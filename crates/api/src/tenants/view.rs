//! A tenant as clients see it.

use ortolan_domain::{FieldError, TenantId, TenantSlug, Timestamp};
use ortolan_store::Tenant;
use serde::Serialize;
use utoipa::ToSchema;

/// The longest name for people.
const MAX_LABEL_CHARS: usize = 100;

/// A tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: TenantId,
    /// Its name: the `{tenant}` of object paths. It never changes.
    #[schema(value_type = String)]
    pub name: TenantSlug,
    /// A name for people.
    pub display_name: Option<String>,
    /// The keys of a disabled tenant are refused.
    pub disabled: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, name, display_name, disabled, created_at } = tenant;
        Self { id, name, display_name, disabled, created_at }
    }
}

/// Checks a name for people.
pub fn check_label(field: &str, label: &str) -> Result<(), FieldError> {
    let is_fit =
        !label.trim().is_empty() && label.chars().count() <= MAX_LABEL_CHARS && !label.chars().any(char::is_control);
    let reason = || format!("must be 1 to {MAX_LABEL_CHARS} characters, none of them a control character");
    if is_fit { Ok(()) } else { Err(FieldError::new(field, reason())) }
}
