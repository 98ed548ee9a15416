//! Words of the domain as the document shows them: one schema each, with every value listed from the domain's own tables.

use std::borrow::Cow;

use ortolan_domain as domain;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! words {
    ($($name:ident: $values:expr, $meaning:literal;)*) => {$(
        #[doc = $meaning]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = $values.map(|value| value.as_str());
                let schema = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(words));
                schema.description(Some($meaning)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

words! {
    TaskStatus: domain::TaskStatus::ALL, "Where a task stands.";
    TaskType: domain::TaskType::ALL, "What a task does.";
    Priority: domain::Priority::ALL, "How urgent a task is among its tenant's.";
    Scope: domain::Scope::ALL, "One thing that a key may do.";
    ModelStatus: domain::model::ModelStatus::ALL, "Where a version of a model stands.";
    SlotName: domain::Slot::ALL, "What a model is for.";
    PictureFormat: domain::media::PictureFormat::ALL, "A format that pictures are written in.";
}
