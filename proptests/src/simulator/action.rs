//! What can happen, and how often.

use proptest::prelude::*;

/// One thing that happens. Numbers name something by its place in a list, counted around as often as needed, so that any
/// part of a script is a script; where the list is empty nothing happens.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "each variant's sentence speaks of its fields")]
pub enum Action {
    /// A user submits a task, which may have to start within some time.
    Submit { tenant: usize, priority: usize, patience_s: Option<u16> },
    /// A user wants a pending task in its queue now.
    EnqueueNow { task: usize },
    /// A user cancels a task; the signal may get lost.
    Cancel { task: usize, heard: bool },
    /// A user retries a task.
    Retry { task: usize },
    /// The dispatcher makes a pass over a queue.
    Dispatch { queue: usize },
    /// The dispatcher commits a pass and dies before it can push.
    DispatchAndDie { queue: usize },
    /// A letter reaches a worker; the broker may keep it and deliver it again.
    Deliver { letter: usize, worker: usize, again: bool },
    /// A letter gets lost.
    LoseLetter { letter: usize },
    /// A run takes its next step.
    Step { run: usize },
    /// A worker extends its leases.
    Beat { worker: usize },
    /// A worker dies with its runs; another takes its place.
    KillWorker { worker: usize },
    /// The ML service takes a job; the broker may keep it and deliver it again.
    Infer { job: usize, again: bool },
    /// The ML service puts a result.
    Answer { job: usize, answer: Reply },
    /// The ML service dies with all that it has taken.
    KillMl,
    /// A job for the ML service gets lost.
    LoseJob { job: usize },
    /// A result gets lost.
    LoseResult { run: usize },
    /// Someone puts a result that belongs to another run, or no result at all.
    Forge { run: usize, forgery: Forgery },
    /// The reconciler makes a pass.
    Reconcile { whole: bool },
    /// Time passes.
    Wait { seconds: u32 },
    /// Everybody's clock is turned back.
    TurnBack { seconds: u32 },
    /// A part cannot reach the database any more, or gets no answers from it.
    Cut { part: usize, answers_only: bool },
    /// A part reaches the database again.
    Heal { part: usize },
    /// Nobody reaches the broker any more, or everybody does again.
    Broker { is_up: bool },
    /// The broker and the results lose all their memory.
    Flush,
    /// The one process of an embedded installation dies and starts again.
    RestartAll,
}

/// What the ML service answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reply {
    /// So many items.
    Items(u8),
    /// An error that may pass.
    Transient,
    /// An error that will not.
    Permanent,
    /// Items of which one is bad.
    BadItem,
}

/// What a forged result looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Forgery {
    /// Of another run.
    OtherRun,
    /// Of an earlier attempt.
    OtherAttempt,
    /// Bytes that mean nothing.
    Noise,
}

/// How many tenants there are.
pub(super) const TENANTS: usize = 2;
/// How many workers there are.
pub(super) const WORKERS: usize = 3;
/// Parts that can be cut off from the database: the workers, the dispatcher and the reconciler.
pub(super) const PARTS: usize = WORKERS + 2;

/// Anything that can happen.
pub(super) fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![4 => users(), 20 => work(), 3 => upkeep(), 3 => faults()]
}

/// Any task that a user may submit.
pub(super) fn any_submit() -> impl Strategy<Value = Action> {
    let patience = prop_oneof![4 => Just(None), 1 => (30u16..600).prop_map(Some)];
    (0..TENANTS, 0..3usize, patience).prop_map(|(tenant, priority, patience_s)| Action::Submit {
        tenant,
        priority,
        patience_s,
    })
}

fn users() -> impl Strategy<Value = Action> {
    use Action::*;
    prop_oneof![
        5 => any_submit(),
        1 => place().prop_map(|task| EnqueueNow { task }),
        2 => (place(), any::<bool>()).prop_map(|(task, heard)| Cancel { task, heard }),
        2 => place().prop_map(|task| Retry { task }),
    ]
}

fn work() -> impl Strategy<Value = Action> {
    use Action::*;
    let answer = prop_oneof![
        6 => (0u8..4).prop_map(Reply::Items), 2 => Just(Reply::Transient), 1 => Just(Reply::Permanent), 1 => Just(Reply::BadItem)
    ];
    prop_oneof![
        2 => (0..2usize).prop_map(|queue| Dispatch { queue }),
        6 => (place(), 0..WORKERS, rarely()).prop_map(|(letter, worker, again)| Deliver { letter, worker, again }),
        12 => place().prop_map(|run| Step { run }),
        3 => (0..WORKERS).prop_map(|worker| Beat { worker }),
        5 => (place(), rarely()).prop_map(|(job, again)| Infer { job, again }),
        5 => (place(), answer).prop_map(|(job, answer)| Answer { job, answer }),
    ]
}

fn upkeep() -> impl Strategy<Value = Action> {
    use Action::*;
    let seconds = prop_oneof![12 => 1u32..8, 4 => 8u32..40, 1 => 40u32..600, 1 => 1_900u32..200_000];
    prop_oneof![2 => any::<bool>().prop_map(|whole| Reconcile { whole }), 3 => seconds.prop_map(|seconds| Wait { seconds })]
}

fn faults() -> impl Strategy<Value = Action> {
    use Action::*;
    let forgery = prop_oneof![Just(Forgery::OtherRun), Just(Forgery::OtherAttempt), Just(Forgery::Noise)];
    prop_oneof![
        2 => (0..2usize).prop_map(|queue| DispatchAndDie { queue }),
        3 => place().prop_map(|letter| LoseLetter { letter }),
        3 => (0..WORKERS).prop_map(|worker| KillWorker { worker }),
        2 => Just(KillMl),
        2 => place().prop_map(|job| LoseJob { job }),
        2 => place().prop_map(|run| LoseResult { run }),
        1 => (place(), forgery).prop_map(|(run, forgery)| Forge { run, forgery }),
        4 => (0..PARTS, any::<bool>()).prop_map(|(part, answers_only)| Cut { part, answers_only }),
        6 => (0..PARTS).prop_map(|part| Heal { part }),
        2 => any::<bool>().prop_map(|is_up| Broker { is_up }),
        1 => Just(Flush),
        1 => (1u32..120).prop_map(|seconds| TurnBack { seconds }),
        1 => Just(RestartAll),
    ]
}

fn place() -> impl Strategy<Value = usize> {
    0..6usize
}

fn rarely() -> impl Strategy<Value = bool> {
    prop_oneof![4 => Just(false), 1 => Just(true)]
}
