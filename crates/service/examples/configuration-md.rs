//! Writes the text of `docs/configuration.md`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(ortolan_service::config::configuration_markdown().as_bytes())
}
