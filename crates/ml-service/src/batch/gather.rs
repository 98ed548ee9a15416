//! Which requests may share a run, and why a batch takes no more of them.

use ortolan_ml_client::BatchClose;

use crate::batch::{BatchPolicy, Member};

/// A batch that still takes requests.
pub(super) struct Batch {
    pub(super) members: Vec<Member>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    pub(super) fn of(first: Member) -> Self {
        Self { rows: first.rows, bytes: first.bytes, members: vec![first] }
    }

    /// Takes a request, or gives it back and says why the batch is closed.
    pub(super) fn take(&mut self, next: Member) -> Option<(Member, BatchClose)> {
        if let Some(why) = self.refuses(&next) {
            return Some((next, why));
        }
        self.rows += next.rows;
        self.bytes += next.bytes;
        self.members.push(next);
        None
    }

    /// True when no request at all would fit.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.policy().max_rows
    }

    pub(super) fn policy(&self) -> BatchPolicy {
        // A batch is made of a first member and never loses one.
        self.members.first().map_or(BatchPolicy::OFF, |first| first.policy)
    }

    fn refuses(&self, next: &Member) -> Option<BatchClose> {
        let policy = self.policy();
        let first = self.members.first()?;
        if !are_alike(first, next) {
            return Some(BatchClose::OtherShape);
        }
        if self.rows + next.rows > policy.max_rows {
            return Some(BatchClose::Rows);
        }
        (self.bytes + next.bytes > policy.max_bytes).then_some(BatchClose::Bytes)
    }
}

fn are_alike(one: &Member, other: &Member) -> bool {
    let (a, b) = (&one.prepared.checked, &other.prepared.checked);
    let shapes =
        a.inputs.iter().map(|input| input.shape.get(1..)).eq(b.inputs.iter().map(|input| input.shape.get(1..)));
    shapes
        && a.outputs == b.outputs
        && one.policy == other.policy
        && one.prepared.loaded.is_same(&other.prepared.loaded)
}
