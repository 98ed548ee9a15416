//! The schema of a problem document.

use std::borrow::Cow;

use ortolan_domain::ErrorCode;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The body of every error answer: [`ortolan_domain::Problem`], described for clients.
pub struct ProblemDocument;

impl PartialSchema for ProblemDocument {
    fn schema() -> RefOr<Schema> {
        let code = text("A word that programs can rely on.");
        let code = ObjectBuilder::from(code).enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str()))).build();
        let field = ObjectBuilder::new()
            .property("field", text("The field's path, the header's or the parameter's name."))
            .property("reason", text("What is wrong with it, and what would be right."))
            .required("field")
            .required("reason");
        let status =
            ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).description(Some("The HTTP status."));
        let mut problem = ObjectBuilder::new()
            .description(Some("What went wrong (RFC 9457)."))
            .property("type", text("A stable reference for the code."))
            .property("title", text("What the code means in general."))
            .property("status", status)
            .property("detail", text("What happened in this case."))
            .property("code", code)
            .property("request_id", text("Leads to the cause in the log; also in the header `X-Request-ID`."))
            .property("errors", ArrayBuilder::new().items(field).description(Some("The fields that are not valid.")));
        for name in ["type", "title", "status", "detail", "code", "request_id"] {
            problem = problem.required(name);
        }
        problem.build().into()
    }
}

impl ToSchema for ProblemDocument {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

fn text(description: &str) -> Object {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(description)).build()
}
