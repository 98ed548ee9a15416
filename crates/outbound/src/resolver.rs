//! From a host's name to addresses that may be connected to.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::AddressPolicy;

/// All addresses of a name are refused.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address that may be reached")]
pub(crate) struct Refused;

/// A name without addresses.
#[derive(Debug, thiserror::Error)]
#[error("the name has no addresses")]
pub(crate) struct Unknown;

/// Resolves names and leaves out what the policy refuses. The connection is made to what is left, without another look-up.
pub(crate) struct Resolver(pub(crate) AddressPolicy);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| Unknown)?;
            let found: Vec<SocketAddr> = found.collect();
            let allowed = allowed(&policy, &found);
            match (found.is_empty(), allowed.is_empty()) {
                (true, _) => Err(Unknown.into()),
                (false, true) => Err(Refused.into()),
                (false, false) => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

fn allowed(policy: &AddressPolicy, found: &[SocketAddr]) -> Vec<SocketAddr> {
    found.iter().filter(|address| policy.allows(address.ip())).copied().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn private_addresses_are_left_out() {
        let found: Vec<SocketAddr> =
            ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(allowed(&AddressPolicy::public_only(), &found), found[1..2]);
        let ours = AddressPolicy::Public(["10.0.0.0/8".parse().unwrap()].into());
        assert_eq!(allowed(&ours, &found), found[..2]);
        assert_eq!(allowed(&AddressPolicy::Anywhere, &found), found);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        let refused = Resolver(AddressPolicy::public_only()).resolve("localhost".parse().unwrap()).await;
        assert!(refused.err().unwrap().is::<Refused>());
        assert!(Resolver(AddressPolicy::Anywhere).resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
