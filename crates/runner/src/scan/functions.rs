//! Functions that a file defines itself. The runtime puts their bodies in place of their calls, so a file of 2 KB can
//! become a graph of any size, and a long chain of calls can overflow its stack.

use std::collections::HashMap;

use super::graph::{Calls, GraphScan, Operator};
use super::wire::Fields;
use super::{MAX_FUNCTIONS, ScanError};

/// Calls inside of calls.
const MAX_CALL_DEPTH: usize = 64;
/// Nodes once every call is replaced by what it calls.
const MAX_EXPANDED_NODES: u64 = 200_000;

/// The functions of a file.
#[derive(Default)]
pub(super) struct Functions<'a> {
    bodies: HashMap<Operator<'a>, Calls<'a>>,
}

impl<'a> Functions<'a> {
    /// Scans a `FunctionProto`.
    pub(super) fn add(&mut self, bytes: &'a [u8], graphs: &mut GraphScan<'a>) -> Result<(), ScanError> {
        let (mut name, mut domain, mut calls) = (&b""[..], &b""[..], Calls::new());
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => name = value.bytes()?,
                7 => graphs.node(value.bytes()?, 1, &mut calls)?,
                10 => domain = value.bytes()?,
                11 => graphs.attribute(value.bytes()?, 1, &mut calls)?,
                _ => {}
            }
        }
        self.bodies.insert((domain, name), calls);
        if self.bodies.len() > MAX_FUNCTIONS {
            return Err(ScanError::refused(format!("the model has more than {MAX_FUNCTIONS} functions")));
        }
        Ok(())
    }

    /// Checks how large the main graph becomes once every call is replaced.
    pub(super) fn check_expansion(&self, graphs: &GraphScan<'a>) -> Result<(), ScanError> {
        if self.bodies.is_empty() {
            return Ok(());
        }
        let total = self.expanded(&graphs.calls, 0, &mut HashMap::new())?;
        if total.nodes > MAX_EXPANDED_NODES {
            return Err(ScanError::refused(format!(
                "the functions of the model grow to more than {MAX_EXPANDED_NODES} nodes"
            )));
        }
        Ok(())
    }

    /// What `calls` become; `known` holds what was counted before, so that each function is looked at once.
    fn expanded(
        &self,
        calls: &Calls<'a>,
        depth: usize,
        known: &mut HashMap<Operator<'a>, Expansion>,
    ) -> Result<Expansion, ScanError> {
        let mut total = Expansion::default();
        for (operator, count) in calls {
            let Some(body) = self.bodies.get(operator) else {
                total.nodes = total.nodes.saturating_add(*count);
                continue;
            };
            let each = match known.get(operator) {
                Some(expansion) => *expansion,
                None if depth >= MAX_CALL_DEPTH => return Err(too_deep()),
                None => self.expanded(body, depth + 1, known)?,
            };
            known.insert(*operator, each);
            total.nodes = total.nodes.saturating_add(each.nodes.saturating_mul(*count));
            total.height = total.height.max(each.height + 1);
        }
        if total.height > MAX_CALL_DEPTH { Err(too_deep()) } else { Ok(total) }
    }
}

/// What calls become when they are replaced.
#[derive(Clone, Copy, Default)]
struct Expansion {
    nodes: u64,
    /// Calls inside of calls.
    height: usize,
}

fn too_deep() -> ScanError {
    ScanError::refused(format!("functions of the model call each other deeper than {MAX_CALL_DEPTH}, or in a circle"))
}
