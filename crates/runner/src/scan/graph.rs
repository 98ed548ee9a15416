//! Graphs, nodes, and the types of inputs and outputs.

use std::collections::{HashMap, HashSet};

use super::trees::Trees;
use super::wire::Fields;
use super::{MAX_DEPTH, MAX_INPUTS, MAX_NODES, MAX_OUTPUTS, MAX_RANK, ScanError, names, tensor};

/// Nesting of sequences, maps and optionals in a type.
const MAX_TYPE_DEPTH: usize = 8;

/// An operator: its domain and its name.
pub(super) type Operator<'a> = (&'a [u8], &'a [u8]);

/// How often a list of nodes calls which operators.
pub(super) type Calls<'a> = HashMap<Operator<'a>, u64>;

/// What is counted over all graphs of a file.
#[derive(Default)]
pub(super) struct GraphScan<'a> {
    pub(super) nodes: usize,
    /// Operators that the main graph calls, with those of its inner graphs.
    pub(super) calls: Calls<'a>,
    inputs: Vec<&'a [u8]>,
    initializers: HashSet<&'a [u8]>,
    /// Names that nodes ask for, those of inner graphs and of functions too, and the names of the outputs.
    asked_for: HashSet<&'a [u8]>,
    outputs: usize,
}

impl<'a> GraphScan<'a> {
    /// Scans the main graph.
    pub(super) fn main(&mut self, bytes: &'a [u8]) -> Result<(), ScanError> {
        let mut calls = std::mem::take(&mut self.calls);
        self.graph(bytes, 0, &mut calls)?;
        self.calls = calls;
        Ok(())
    }

    /// Checks what can only be known at the end.
    pub(super) fn finish(&self) -> Result<(), ScanError> {
        // Old files list their weights among the inputs.
        let inputs = self.inputs.iter().filter(|name| !self.initializers.contains(*name)).count();
        for (what, count, most) in [("inputs", inputs, MAX_INPUTS), ("outputs", self.outputs, MAX_OUTPUTS)] {
            if count > most {
                return Err(ScanError::refused(format!("the model has {count} {what}; at most {most} are allowed")));
            }
        }
        if self.outputs == 0 {
            return Err(ScanError::refused("the model has no outputs"));
        }
        Ok(())
    }

    /// True when no node asks for an input, and none is an output. Inner graphs and functions may mean a name of their own by the same
    /// word, so false proves nothing.
    pub(super) fn ignores_inputs(&self) -> bool {
        let given = self.inputs.iter().filter(|name| !self.initializers.contains(*name));
        !given.into_iter().any(|name| self.asked_for.contains(name))
    }

    /// True when no node is of ONNX's own operators, so that no version of them needs to be named.
    pub(super) fn uses_other_domains_only(&self) -> bool {
        self.nodes > 0 && !self.calls.keys().any(|(domain, _)| matches!(*domain, b"" | b"ai.onnx"))
    }

    fn graph(&mut self, bytes: &'a [u8], depth: usize, calls: &mut Calls<'a>) -> Result<(), ScanError> {
        if depth > MAX_DEPTH {
            return Err(ScanError::refused(format!("graphs of the model are nested deeper than {MAX_DEPTH}")));
        }
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => self.node(value.bytes()?, depth, calls)?,
                5 => self.initializer(value.bytes()?, depth)?,
                11 => self.input(value.bytes()?, depth)?,
                12 => self.output(value.bytes()?, depth)?,
                15 => tensor::check_sparse(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Scans one node, and the graphs and decision trees in its attributes; `calls` learns its operator.
    pub(super) fn node(&mut self, bytes: &'a [u8], depth: usize, calls: &mut Calls<'a>) -> Result<(), ScanError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(ScanError::refused(format!("the model has more than {MAX_NODES} nodes")));
        }
        let (mut name, mut domain, mut trees) = (&b""[..], &b""[..], Trees::default());
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => {
                    self.asked_for.insert(value.bytes()?);
                }
                4 => name = value.bytes()?,
                5 => {
                    self.attribute(value.bytes()?, depth, calls)?;
                    trees.note(value.bytes()?)?;
                }
                7 => domain = value.bytes()?,
                _ => {}
            }
        }
        *calls.entry((domain, name)).or_default() += 1;
        trees.check()
    }

    /// Scans the tensors and graphs of an attribute.
    pub(super) fn attribute(&mut self, bytes: &'a [u8], depth: usize, calls: &mut Calls<'a>) -> Result<(), ScanError> {
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                5 | 10 => tensor::check(value.bytes()?)?,
                6 | 11 => self.graph(value.bytes()?, depth + 1, calls)?,
                22 | 23 => tensor::check_sparse(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn initializer(&mut self, bytes: &'a [u8], depth: usize) -> Result<(), ScanError> {
        if depth == 0 {
            let mut fields = Fields::new(bytes);
            while let Some((number, value)) = fields.next()? {
                if number == 8 {
                    self.initializers.insert(value.bytes()?);
                }
            }
        }
        tensor::check(bytes)
    }

    fn input(&mut self, bytes: &'a [u8], depth: usize) -> Result<(), ScanError> {
        if depth > 0 {
            return Ok(());
        }
        let name = value_info("an input", bytes)?;
        if name.is_empty() {
            return Err(ScanError::refused("an input of the model has no name"));
        }
        self.inputs.push(name);
        if self.inputs.len() > MAX_NODES {
            return Err(ScanError::refused(format!("the model has more than {MAX_INPUTS} inputs")));
        }
        Ok(())
    }

    fn output(&mut self, bytes: &'a [u8], depth: usize) -> Result<(), ScanError> {
        if depth == 0 {
            self.asked_for.insert(value_info("an output", bytes)?);
            self.outputs += 1;
        }
        Ok(())
    }
}

/// Checks name and type of an input or output; gives the name.
fn value_info<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a [u8], ScanError> {
    let mut name = &b""[..];
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.bytes()?,
            2 => value_type(what, value.bytes()?, 0)?,
            _ => {}
        }
    }
    names::check(what, name)?;
    Ok(name)
}

/// Checks a `TypeProto`.
fn value_type(what: &str, bytes: &[u8], depth: usize) -> Result<(), ScanError> {
    if depth > MAX_TYPE_DEPTH {
        return Err(ScanError::refused(format!("the type of {what} is nested too deeply")));
    }
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => tensor_type(what, value.bytes()?)?,
            4 | 9 => inner_type(what, value.bytes()?, 1, depth)?,
            5 => inner_type(what, value.bytes()?, 2, depth)?,
            7 | 8 => return Err(ScanError::refused(format!("{what} is of a type that is not supported"))),
            _ => {}
        }
    }
    Ok(())
}

fn inner_type(what: &str, bytes: &[u8], field: u32, depth: usize) -> Result<(), ScanError> {
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        if number == field {
            value_type(what, value.bytes()?, depth + 1)?;
        }
    }
    Ok(())
}

fn tensor_type(what: &str, bytes: &[u8]) -> Result<(), ScanError> {
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        if number == 2 {
            shape(what, value.bytes()?)?;
        }
    }
    Ok(())
}

fn shape(what: &str, bytes: &[u8]) -> Result<(), ScanError> {
    let mut rank = 0;
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        rank += 1;
        if rank > MAX_RANK {
            return Err(ScanError::refused(format!("{what} has more than {MAX_RANK} axes")));
        }
        axis(what, value.bytes()?)?;
    }
    Ok(())
}

fn axis(what: &str, bytes: &[u8]) -> Result<(), ScanError> {
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            // Exporters write -1 for a size that is free.
            1 if value.int()? < -1 => return Err(ScanError::refused(format!("{what} has an axis of negative size"))),
            2 => names::check("an axis", value.bytes()?)?,
            _ => {}
        }
    }
    Ok(())
}
