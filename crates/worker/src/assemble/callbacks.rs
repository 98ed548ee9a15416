//! The sender of callbacks, put together out of the configuration.

use std::time::Duration;

use anyhow::Result;
use ortolan_assembly::{Ports, Truth};
use ortolan_blobs::Blobs;
use ortolan_outbound::{AddressPolicy, Outbound};
use ortolan_service::config::{Config, MaskedUrl};

use crate::{Backend, Backoff, CallbackSender, CallbackSettings, SenderParts};

/// How much longer than its request a delivery stays with its sender.
const SLACK: Duration = Duration::from_secs(5);
/// How often it is looked for deliveries that are due.
const INTERVAL: Duration = Duration::from_millis(500);

/// Does what is to be done after tasks have ended.
pub fn callbacks(config: &Config, ports: &Ports, blobs: &Blobs, truth: &Truth) -> Result<CallbackSender> {
    let allowed = AddressPolicy::Public(config.outbound.allowed_networks.clone().into());
    Ok(CallbackSender::new(SenderParts {
        id: ports.process_id(),
        callbacks: truth.stores.callbacks.clone(),
        tasks: truth.stores.tasks.clone(),
        blobs: blobs.clone(),
        outbound: Outbound::new(allowed, config.callback.timeout)?,
        backend: config.callback.backend_url.as_ref().map(|url| backend(config, url)).transpose()?,
        news: truth.callbacks_owed.clone(),
        clock: ports.clock.clone(),
        settings: settings(config),
    }))
}

fn backend(config: &Config, url: &MaskedUrl) -> Result<Backend> {
    let client = Outbound::new(AddressPolicy::Anywhere, config.callback.timeout)?;
    Ok(Backend { url: url.expose().to_owned(), client })
}

fn settings(config: &Config) -> CallbackSettings {
    let callback = &config.callback;
    CallbackSettings {
        // A try ends well before somebody else may begin the next one.
        lease: callback.timeout + SLACK,
        max_attempts: i32::try_from(callback.max_attempts).unwrap_or(i32::MAX),
        backoff: Backoff { base: callback.retry_base, cap: callback.retry_cap },
        interval: INTERVAL,
        drain: config.server.drain_timeout,
    }
}
