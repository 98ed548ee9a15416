//! Decision trees in the attributes of a node. The runtime walks them by recursion while it loads a model, so a tree of a few
//! kilobytes that is one long branch overflows its stack.

use std::collections::{HashMap, HashSet};

use super::ScanError;
use super::wire::{Fields, Value, varint};

/// Branches from a root to a leaf.
const MAX_DEPTH: u32 = 1_000;
/// Nodes that are looked at together: those of one tree, or of all trees of the newer operator.
const MAX_NODES: usize = 8_000_000;
/// Trees of one node.
const MAX_TREES: usize = 1_000_000;
/// In the place of a child: there is none.
const NONE: u32 = u32::MAX;

/// What a node of the tree leads to: where a test holds, and where it does not.
type Children = [u32; 2];

/// The attributes of a node that lay out trees.
#[derive(Default)]
pub(super) struct Trees<'a> {
    trees: &'a [u8],
    nodes: &'a [u8],
    modes: &'a [u8],
    children: [&'a [u8]; 2],
    leaves: [&'a [u8]; 2],
    roots: &'a [u8],
}

impl<'a> Trees<'a> {
    /// Keeps an attribute if it is one of those.
    pub(super) fn note(&mut self, attribute: &'a [u8]) -> Result<(), ScanError> {
        let place = match name(attribute)? {
            b"nodes_treeids" => &mut self.trees,
            b"nodes_nodeids" => &mut self.nodes,
            b"nodes_modes" => &mut self.modes,
            b"nodes_truenodeids" => &mut self.children[0],
            b"nodes_falsenodeids" => &mut self.children[1],
            b"nodes_trueleafs" => &mut self.leaves[0],
            b"nodes_falseleafs" => &mut self.leaves[1],
            b"tree_roots" => &mut self.roots,
            _ => return Ok(()),
        };
        *place = attribute;
        Ok(())
    }

    /// Refuses trees that are deeper than any honest one, and what is no tree.
    pub(super) fn check(&self) -> Result<(), ScanError> {
        match (self.children[0].is_empty(), self.trees.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => self.check_by_place(),
            (false, false) => self.check_by_id(),
        }
    }

    /// Trees whose nodes are named by their places in the lists.
    fn check_by_place(&self) -> Result<(), ScanError> {
        let [mut yes, mut no] = self.children.map(Numbers::of);
        let [mut yes_is_leaf, mut no_is_leaf] = self.leaves.map(Numbers::of);
        let mut nodes: Vec<Children> = Vec::new();
        while let (Some(yes), Some(no)) = (yes.next()?, no.next()?) {
            let is_leaf = [yes_is_leaf.next()?, no_is_leaf.next()?].map(|flag| flag.is_some_and(|flag| flag != 0));
            let place = |(child, is_leaf)| if is_leaf { NONE } else { u32::try_from(child).unwrap_or(NONE) };
            push(&mut nodes, [(yes, is_leaf[0]), (no, is_leaf[1])].map(place))?;
        }
        let (mut numbers, mut roots) = (Numbers::of(self.roots), Vec::new());
        while let Some(root) = numbers.next()? {
            roots.push(u32::try_from(root).unwrap_or(NONE));
            bound_trees(roots.len())?;
        }
        check_depth(&nodes, roots)
    }

    /// Trees whose nodes are named by a tree's id and their own, each tree in one piece with its root first.
    fn check_by_id(&self) -> Result<(), ScanError> {
        let (mut trees, mut ids) = (Numbers::of(self.trees), Numbers::of(self.nodes));
        let ([mut yes, mut no], mut modes) = (self.children.map(Numbers::of), Fields::new(self.modes));
        let (mut known, mut present, mut tree) = (HashSet::new(), None, Tree::default());
        while let Some(id) = trees.next()? {
            if present != Some(id) {
                std::mem::take(&mut tree).check()?;
                bound_trees(known.len())?;
                if !known.insert(id) {
                    return Err(ScanError::refused("the model lists the nodes of its decision trees in no order"));
                }
                present = Some(id);
            }
            let (Some(node), Some(yes), Some(no)) = (ids.next()?, yes.next()?, no.next()?) else { break };
            let is_leaf = next_text(&mut modes)?.is_some_and(|mode| mode == b"LEAF");
            tree.add(node, (!is_leaf).then_some([yes, no]))?;
        }
        tree.check()
    }
}

/// One tree by the ids of its nodes.
#[derive(Default)]
struct Tree {
    places: HashMap<i64, u32>,
    children: Vec<[i64; 2]>,
    leaf: Vec<bool>,
}

impl Tree {
    fn add(&mut self, id: i64, children: Option<[i64; 2]>) -> Result<(), ScanError> {
        let place = u32::try_from(self.leaf.len()).unwrap_or(NONE);
        self.places.insert(id, place);
        self.leaf.push(children.is_none());
        push(&mut self.children, children.unwrap_or_default())
    }

    fn check(self) -> Result<(), ScanError> {
        let place = |id: i64| self.places.get(&id).copied().unwrap_or(NONE);
        let nodes = self.children.iter().zip(&self.leaf);
        let nodes: Vec<Children> =
            nodes.map(|(children, is_leaf)| if *is_leaf { [NONE; 2] } else { children.map(place) }).collect();
        check_depth(&nodes, [0])
    }
}

/// Walks each tree from its root. A branch that is met twice makes it no tree.
fn check_depth(nodes: &[Children], roots: impl IntoIterator<Item = u32>) -> Result<(), ScanError> {
    let mut met = vec![false; nodes.len()];
    let mut way = Vec::new();
    for root in roots {
        way.push((root, 1));
        while let Some((place, depth)) = way.pop() {
            let Some((children, met)) = nodes.get(place as usize).zip(met.get_mut(place as usize)) else { continue };
            if depth > MAX_DEPTH {
                let text = format!("a decision tree of the model is deeper than {MAX_DEPTH} branches");
                return Err(ScanError::refused(text));
            }
            if *children == [NONE; 2] {
                continue;
            }
            if std::mem::replace(met, true) {
                return Err(ScanError::refused("branches of a decision tree of the model meet, so that it is none"));
            }
            way.extend(children.map(|child| (child, depth + 1)));
        }
    }
    Ok(())
}

fn push<T>(nodes: &mut Vec<T>, node: T) -> Result<(), ScanError> {
    if nodes.len() == MAX_NODES {
        return Err(ScanError::refused(format!("a decision tree of the model has more than {MAX_NODES} nodes")));
    }
    nodes.push(node);
    Ok(())
}

fn bound_trees(count: usize) -> Result<(), ScanError> {
    if count > MAX_TREES {
        return Err(ScanError::refused(format!("a node of the model has more than {MAX_TREES} decision trees")));
    }
    Ok(())
}

/// An attribute's name.
fn name(attribute: &[u8]) -> Result<&[u8], ScanError> {
    let mut fields = Fields::new(attribute);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            return value.bytes();
        }
    }
    Ok(b"")
}

/// The next text of an attribute.
fn next_text<'a>(fields: &mut Fields<'a>) -> Result<Option<&'a [u8]>, ScanError> {
    while let Some((number, value)) = fields.next()? {
        if number == 9 {
            return value.bytes().map(Some);
        }
    }
    Ok(None)
}

/// The numbers of an attribute, packed or not.
struct Numbers<'a> {
    fields: Fields<'a>,
    packed: &'a [u8],
}

impl<'a> Numbers<'a> {
    fn of(attribute: &'a [u8]) -> Self {
        Self { fields: Fields::new(attribute), packed: &[] }
    }

    fn next(&mut self) -> Result<Option<i64>, ScanError> {
        while self.packed.is_empty() {
            match self.fields.next()? {
                None => return Ok(None),
                Some((8, Value::Bytes(packed))) => self.packed = packed,
                Some((8, value)) => return value.int().map(Some),
                Some(_) => {}
            }
        }
        varint(&mut self.packed).map(|number| Some(number.cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An attribute with a list of small numbers, packed.
    fn numbers(name: &str, numbers: &[u8]) -> Vec<u8> {
        let head = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
        [&head[..], &[0x42, numbers.len() as u8], numbers].concat()
    }

    fn check(attributes: &[Vec<u8>]) -> Result<(), ScanError> {
        let mut trees = Trees::default();
        attributes.iter().for_each(|attribute| trees.note(attribute).unwrap());
        trees.check()
    }

    #[test]
    fn the_newer_operator_is_walked_from_its_roots() {
        let tree = |yes: &[u8], leaf: &[u8]| {
            let names = ["nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs"];
            let mut attributes: Vec<_> =
                names.iter().zip([yes, &[0, 0], leaf, &[1, 1]]).map(|(name, list)| numbers(name, list)).collect();
            attributes.push(numbers("tree_roots", &[0]));
            check(&attributes)
        };
        assert_eq!(tree(&[1, 0], &[0, 1]), Ok(()));
        assert!(tree(&[1, 0], &[0, 0]).is_err_and(|error| error.to_string().contains("meet")), "a circle");
        assert_eq!(tree(&[9, 9], &[0, 0]), Ok(()), "places that are none are for the runtime to refuse");
    }

    #[test]
    fn a_chain_is_refused_past_the_limit() {
        let chain = |length: u32| (1..=length).map(|next| [next, NONE]).chain([[NONE; 2]]).collect::<Vec<_>>();
        assert_eq!(check_depth(&chain(MAX_DEPTH - 1), [0]), Ok(()));
        assert!(check_depth(&chain(MAX_DEPTH), [0]).is_err_and(|error| error.to_string().contains("deeper")));
    }
}
