//! The map as tables: layers, the one owner of each heavy library, and what a service must never link.
//!
//! docs/architecture.md says why. A change of the house is a change here, in one line that a reviewer sees.

use std::fmt::Write;

use super::graph::Graph;

/// The prefix of our own crates' package names; the tables leave it out.
const OURS: &str = "ortolan-";

/// From the ground up. A crate uses crates of lower layers only.
const LAYERS: [&[&str]; 7] = [
    &["domain"],
    &["store", "queue", "results", "blobs", "engine", "vision", "media", "oip", "ml-client", "outbound", "service"],
    &["dispatch", "runner"],
    &["assembly"],
    &["api", "worker", "ml-service", "reconciler"],
    &["ortolan", "testkit", "xtask", "bench"],
    &["proptests"],
];

/// The arrows within a layer: the left uses the right.
const SIDEWAYS: [(&str, &str); 3] = [
    ("oip", "ml-client"),  // a model's signature is the contract's
    ("media", "vision"),   // decoded pictures are vision's type
    ("api", "reconciler"), // a pass of it is asked for over HTTP
];

/// Heavy libraries and the crates that may name them in their manifest. A star stands for any ending.
const OWNERS: [(&str, &[&str]); 10] = [
    ("sqlx*", &["store"]),
    ("apalis*", &["queue"]),
    ("fred", &["results"]),
    ("object_store", &["blobs"]),
    ("ort*", &["engine"]),
    ("axum*", &["api", "ml-service", "service", "bench"]),
    // outbound: the one place that calls addresses which a tenant chose
    ("reqwest", &["assembly", "blobs", "ml-client", "outbound", "ortolan", "testkit"]),
    ("mozjpeg*", &["media"]),
    ("re_rav1d", &["media"]),
    ("landlock", &["runner"]),
];

/// What must not be in a crate's binary, however far away it comes from. For a service this is the program that holds it alone.
const NEVER: [(&str, &[&str]); 6] = [
    ("domain", &["tokio", "sqlx*", "axum", "ort"]),
    ("vision", &["tokio", "ort", "image"]),
    ("api", &["ort", "ortolan-engine", "ortolan-runner", "ortolan-media", "mozjpeg*", "image"]),
    ("worker", &["ort", "ortolan-engine", "ortolan-runner", "ortolan-media", "mozjpeg*", "image", "axum"]),
    ("ml-service", &["sqlx*", "ortolan-store"]),
    ("reconciler", &["ort", "ortolan-engine", "ortolan-runner", "ortolan-media", "mozjpeg*", "image", "axum"]),
];

/// The tables with what stands beside what may stand.
pub fn tables(graph: &Graph) -> String {
    let mut text = String::from("layers, from the ground up\n");
    for (number, layer) in LAYERS.iter().enumerate() {
        let _ = writeln!(text, "  {number}  {}", layer.join(" "));
    }
    let _ = writeln!(text, "{:<14} {:<28} used by", "library", "may be used by");
    for (library, owners) in OWNERS {
        let users: Vec<_> = graph.members().filter(|member| uses(graph, member, library)).map(short).collect();
        let _ = writeln!(text, "{library:<14} {:<28} {}", owners.join(" "), users.join(" "));
    }
    let _ = writeln!(text, "{:<14} never links", "crate");
    for (member, libraries) in NEVER {
        let _ = writeln!(text, "{member:<14} {}", libraries.join(" "));
    }
    text
}

/// Every departure from the tables.
pub fn findings(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for member in graph.members() {
        findings.extend(wrong_arrows(graph, member));
        findings.extend(foreign_libraries(graph, member));
    }
    findings.extend(NEVER.iter().flat_map(|rule| forbidden_links(graph, rule)));
    findings
}

fn wrong_arrows(graph: &Graph, member: &str) -> Vec<String> {
    let Some(own_layer) = layer_of(member) else {
        return vec![format!("crate {member} stands in no layer: give it one in crates/xtask/src/check/layers.rs")];
    };
    let is_wrong = |used: &&str| {
        layer_of(used).is_some_and(|layer| layer >= own_layer) && !SIDEWAYS.contains(&(short(member), short(used)))
    };
    graph
        .direct(member)
        .filter(is_wrong)
        .map(|used| format!("{member} uses {used}, which does not lie below it"))
        .collect()
}

fn foreign_libraries(graph: &Graph, member: &str) -> Vec<String> {
    let is_foreign =
        |(library, owners): &&(&str, &[&str])| uses(graph, member, library) && !owners.contains(&short(member));
    let tell = |(library, owners): &(&str, &[&str])| {
        format!("{member} uses {library}, which belongs to {}", owners.join(", "))
    };
    OWNERS.iter().filter(is_foreign).map(tell).collect()
}

fn forbidden_links(graph: &Graph, (member, libraries): &(&str, &[&str])) -> Vec<String> {
    let member = format!("{OURS}{member}");
    let is_forbidden = |name: &&str| libraries.iter().any(|library| is_named(name, library));
    let tell =
        |name: &str| format!("{member} links {name}; `cargo tree -p {member} -e normal -i {name}` says through what");
    graph.linked(&member).filter(is_forbidden).map(tell).collect()
}

fn uses(graph: &Graph, member: &str, library: &str) -> bool {
    graph.direct(member).any(|name| is_named(name, library))
}

/// Says whether a package has the name; our own crates are never meant by a star.
fn is_named(package: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => package.starts_with(start) && layer_of(package).is_none(),
        None => package == pattern,
    }
}

fn layer_of(package: &str) -> Option<usize> {
    let is_ours = package.starts_with(OURS) || package == "ortolan";
    LAYERS.iter().position(|layer| is_ours && layer.contains(&short(package)))
}

fn short(package: &str) -> &str {
    package.strip_prefix(OURS).unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_of(pairs: &[(&str, &str)]) -> Vec<String> {
        findings(&Graph::of_pairs(pairs))
    }

    #[test]
    fn arrows_down_are_fine_and_the_listed_sideways_one_too() {
        assert!(
            findings_of(&[
                ("ortolan-api", "ortolan-store"),
                ("ortolan-media", "ortolan-vision"),
                ("ortolan", "ortolan-api")
            ])
            .is_empty()
        );
    }

    #[test]
    fn arrows_up_and_sideways_are_found() {
        assert_eq!(
            findings_of(&[("ortolan-store", "ortolan-api")]),
            ["ortolan-store uses ortolan-api, which does not lie below it"]
        );
        assert_eq!(
            findings_of(&[("ortolan-vision", "ortolan-media")]),
            ["ortolan-vision uses ortolan-media, which does not lie below it"]
        );
    }

    #[test]
    fn a_new_crate_must_be_given_a_layer() {
        assert!(findings_of(&[("ortolan-extra", "ortolan-domain")])[0].contains("stands in no layer"));
    }

    #[test]
    fn a_heavy_library_has_one_owner() {
        assert!(findings_of(&[("ortolan-store", "sqlx")]).is_empty());
        assert_eq!(
            findings_of(&[("ortolan-queue", "sqlx-core")]),
            ["ortolan-queue uses sqlx*, which belongs to store"]
        );
    }

    #[test]
    fn what_a_service_must_not_link_is_found() {
        assert!(findings_of(&[("ortolan-api", "axum"), ("ortolan-ml-service", "axum")]).is_empty());
        for (member, library) in
            [("api", "mozjpeg-sys"), ("worker", "axum"), ("ml-service", "sqlx-core"), ("domain", "tokio")]
        {
            let findings = findings_of(&[(&format!("{OURS}{member}"), library)]);
            assert!(
                findings.iter().any(|finding| finding.contains(&format!("{member} links {library}"))),
                "{findings:?}"
            );
        }
    }

    #[test]
    fn the_workspace_is_as_the_tables_say() -> anyhow::Result<()> {
        let findings = findings(&Graph::of_workspace()?);
        assert!(findings.is_empty(), "{findings:#?}");
        Ok(())
    }

    #[test]
    fn a_star_does_not_mean_our_own_crates() {
        assert!(!is_named("ortolan-vision", "ort*"));
        assert!(!is_named("ortolan", "ort*"));
        assert!(is_named("ort-sys", "ort*"));
    }
}
