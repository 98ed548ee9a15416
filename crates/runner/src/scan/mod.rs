//! Reads an uploaded file's structure before any library does, and refuses what no honest model has.
//!
//! The scan takes time linear in the file's size, allocates next to nothing and runs no recursion deeper than
//! [`MAX_DEPTH`]. It is a first sieve, not a proof: what passes is still loaded in a process that may die.

mod functions;
mod graph;
mod names;
mod tensor;
mod trees;
mod wire;
mod words;

use functions::Functions;
use graph::GraphScan;
use ortolan_domain::Slot;
use ortolan_domain::model::FileWords;
use wire::Fields;

/// Graphs inside of graphs (the branches of an `If`, the body of a `Loop`).
const MAX_DEPTH: usize = 32;
/// Nodes in all graphs and functions together.
const MAX_NODES: usize = 50_000;
/// Inputs of the model, and outputs of the model.
const MAX_INPUTS: usize = 256;
const MAX_OUTPUTS: usize = 256;
/// Functions that the file defines itself.
const MAX_FUNCTIONS: usize = 2_000;
/// Entries of metadata, and the bytes of all of them.
const MAX_METADATA: usize = 2_000;
const MAX_METADATA_BYTES: usize = 4 << 20;
/// Axes of a tensor.
const MAX_RANK: usize = 16;
/// What a tensor may grow to that is stored in fewer bytes than it has.
const MAX_DENSE_BYTES: u64 = 512 << 20;
/// The newest versions that the runtime knows.
const MAX_IR_VERSION: i64 = 13;
const MAX_OPSET: i64 = 26;

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is no ONNX file at all.
    #[error("the file is not an ONNX model")]
    NotAModel,
    /// It is one that no honest exporter writes, or that is not served here.
    #[error("{0}")]
    Refused(String),
}

impl ScanError {
    fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}

/// What the scan learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanFacts {
    /// What the file says of itself.
    pub words: FileWords,
    /// Nodes in all graphs and functions together.
    pub nodes: usize,
    /// The slot whose work the file's own metadata says it does, as exporters of vision models write it.
    pub claims: Option<Slot>,
    /// No node asks for an input of the model: it answers the same, or fails, whatever it is given.
    pub ignores_inputs: bool,
}

/// Scans a whole file.
pub fn scan(file: &[u8]) -> Result<ScanFacts, ScanError> {
    let mut model = ModelScan::default();
    let mut fields = Fields::new(file);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => model.facts.words.ir_version = ir_version(value.int()?)?,
            2..=6 => words::note(&mut model.facts.words, number, value)?,
            7 => model.graph(value.bytes()?)?,
            8 => model.opset(value.bytes()?)?,
            14 => model.metadata(value.bytes()?)?,
            20 => return Err(ScanError::refused("the file holds training steps; export it for inference")),
            25 => model.functions.add(value.bytes()?, &mut model.graphs)?,
            _ => {}
        }
    }
    model.finish()
}

#[derive(Default)]
struct ModelScan<'a> {
    facts: ScanFacts,
    graphs: GraphScan<'a>,
    functions: Functions<'a>,
    has_graph: bool,
    metadata: (usize, usize),
}

impl<'a> ModelScan<'a> {
    fn graph(&mut self, bytes: &'a [u8]) -> Result<(), ScanError> {
        self.has_graph = true;
        self.graphs.main(bytes)?;
        self.facts.words.graph_name = words::graph_name(bytes)?;
        Ok(())
    }

    fn opset(&mut self, bytes: &[u8]) -> Result<(), ScanError> {
        let (mut domain, mut version) = (&b""[..], 0);
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => domain = value.bytes()?,
                2 => version = value.int()?,
                _ => {}
            }
        }
        if !matches!(domain, b"" | b"ai.onnx") {
            words::note_opset(&mut self.facts.words, domain, version);
            return Ok(());
        }
        if !(1..=MAX_OPSET).contains(&version) {
            return Err(ScanError::refused(format!(
                "the model needs operator set {version}; 1 to {MAX_OPSET} are supported"
            )));
        }
        words::note_opset(&mut self.facts.words, b"ai.onnx", version);
        Ok(())
    }

    fn metadata(&mut self, bytes: &[u8]) -> Result<(), ScanError> {
        // Of entries with one key the runtime takes the last.
        if let Some(task) = words::task(bytes)? {
            self.facts.claims = claimed_slot(task);
        }
        let (count, size) = (self.metadata.0 + 1, self.metadata.1 + bytes.len());
        if count > MAX_METADATA || size > MAX_METADATA_BYTES {
            return Err(ScanError::refused(format!(
                "the model has too much metadata; {MAX_METADATA} entries of {} MiB together are allowed",
                MAX_METADATA_BYTES >> 20
            )));
        }
        self.metadata = (count, size);
        Ok(())
    }

    fn finish(mut self) -> Result<ScanFacts, ScanError> {
        if !self.has_graph {
            return Err(ScanError::NotAModel);
        }
        if self.facts.words.opset_version().is_none() && !self.graphs.uses_other_domains_only() {
            return Err(ScanError::refused("the model names no operator set"));
        }
        self.graphs.finish()?;
        self.functions.check_expansion(&self.graphs)?;
        self.facts.nodes = self.graphs.nodes;
        self.facts.ignores_inputs = self.graphs.ignores_inputs();
        Ok(self.facts)
    }
}

/// The slot for a task in the words of Ultralytics' exporter; turned boxes and poses are detected too.
fn claimed_slot(task: &[u8]) -> Option<Slot> {
    match task {
        b"detect" | b"obb" | b"pose" => Some(Slot::Detect),
        b"segment" => Some(Slot::Segment),
        b"classify" => Some(Slot::Classify),
        _ => None,
    }
}

fn ir_version(version: i64) -> Result<i64, ScanError> {
    if (1..=MAX_IR_VERSION).contains(&version) {
        return Ok(version);
    }
    Err(ScanError::refused(format!("the file has format version {version}; 1 to {MAX_IR_VERSION} are supported")))
}
