//! The ports, implemented by the dialect's `Store`: reads on a connection of its own, writes through its lanes.

use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use ortolan_domain::artifact::Artifact;
use ortolan_domain::invariant::Violation;
use ortolan_domain::job::Attempt;
use ortolan_domain::media::Media;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::NewTask;
use ortolan_domain::{KeyId, MediaId, Slot, Task, TaskId, TenantId, TenantSlug, Timestamp};

use super::super::Store;
use super::batch::Write;
use super::dispatch::{self, Dispatch};
use super::runs::Heartbeat;
use super::submit::Submit;
use super::{artifacts, keys, lists, media, once, processes, slots, soundness, steer, tenants, upkeep};
use crate::{
    CancelOutcome, Claim, Completion, DeleteOutcome, DispatchLimits, EnqueueOutcome, Failure, Idempotency, KeyRecord,
    MediaStore, NewCallback, NewKey, NewKeyOutcome, NewMediaOutcome, NewTenantOutcome, Page, ProcessRecord,
    ProcessStore, QueueDepth, RetryOutcome, SlotChange, SlotEvent, SlotRecord, SlotStore, StoreError, Submission,
    TaskChange, TaskFilter, TaskStore, Tenant, TenantStore,
};

#[async_trait]
impl TaskStore for Store {
    async fn submit_with_callbacks(
        &self,
        task: NewTask,
        callbacks: Vec<NewCallback>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submission, StoreError> {
        let submit = Box::new(Submit { task, idempotency, callbacks });
        self.lanes.submits().ask(|answer| Write::Submit(submit, answer)).await
    }

    async fn get(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.looks.get(tenant, id).await
    }

    async fn list(&self, tenant: TenantId, filter: &TaskFilter, now: Timestamp) -> Result<Page<Task>, StoreError> {
        lists::list(&mut *self.read().await?, tenant, filter, now).await
    }

    async fn artifacts(
        &self,
        tenant: TenantId,
        id: TaskId,
        limit: u32,
        offset: u64,
    ) -> Result<Option<Page<Artifact>>, StoreError> {
        artifacts::list(&mut *self.read().await?, tenant, id, limit, offset).await
    }

    async fn dispatch(
        &self,
        queue: QueueName,
        limits: DispatchLimits,
        now: Timestamp,
    ) -> Result<Vec<TaskChange>, StoreError> {
        self.lanes.dispatches().ask(|answer| Write::Dispatch(Dispatch { queue, limits, now }, answer)).await
    }

    async fn may_dispatch(&self, queue: QueueName, limits: DispatchLimits, now: Timestamp) -> Result<bool, StoreError> {
        dispatch::finds_any(&mut *self.read().await?, &Dispatch { queue, limits, now }).await
    }

    async fn enqueue(&self, tenant: TenantId, id: TaskId, now: Timestamp) -> Result<EnqueueOutcome, StoreError> {
        self.lanes.steers().single(move |to, changes| steer::enqueue(to, tenant, id, now, changes).boxed()).await
    }

    async fn undo_dispatch(&self, attempts: &[Attempt], _now: Timestamp) -> Result<u64, StoreError> {
        let attempts = attempts.to_vec();
        self.lanes.dispatches().ask(|answer| Write::Undo(attempts, answer)).await
    }

    async fn take_back_lost(&self, attempts: &[Attempt]) -> Result<Vec<TaskChange>, StoreError> {
        let (attempts, upkeep) = (attempts.to_vec(), self.lanes.upkeep());
        upkeep.single(move |to, changes| upkeep::take_back_lost(to, attempts.clone(), changes).boxed()).await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Task>, StoreError> {
        self.lanes.claims().ask(|answer| Write::Claim(claim, answer)).await
    }

    async fn heartbeat(
        &self,
        owner: &str,
        held: &[(Attempt, Option<f64>)],
        until: Timestamp,
    ) -> Result<Vec<Attempt>, StoreError> {
        let heartbeat = Heartbeat { owner: owner.to_owned(), held: held.to_vec(), until };
        self.lanes.heartbeats().ask(|answer| Write::Heartbeat(heartbeat, answer)).await
    }

    async fn complete(&self, completion: Completion) -> Result<bool, StoreError> {
        self.lanes.endings().ask(|answer| Write::Complete(completion, answer)).await
    }

    async fn fail(&self, failure: Failure) -> Result<bool, StoreError> {
        self.lanes.endings().ask(|answer| Write::Fail(failure, answer)).await
    }

    async fn cancel(&self, tenant: TenantId, id: TaskId, now: Timestamp) -> Result<CancelOutcome, StoreError> {
        self.lanes.steers().single(move |to, changes| steer::cancel(to, tenant, id, now, changes).boxed()).await
    }

    async fn delete(&self, tenant: TenantId, id: TaskId) -> Result<DeleteOutcome, StoreError> {
        self.lanes.steers().single(move |to, _| steer::delete(to, tenant, id).boxed()).await
    }

    async fn retry(&self, tenant: TenantId, id: TaskId, now: Timestamp) -> Result<RetryOutcome, StoreError> {
        self.lanes.steers().single(move |to, changes| steer::retry(to, tenant, id, now, changes).boxed()).await
    }

    async fn lose_leases(&self, now: Timestamp, max_crashes: i32, limit: u32) -> Result<Vec<TaskChange>, StoreError> {
        let upkeep = self.lanes.upkeep();
        upkeep.single(move |to, changes| upkeep::lose_leases(to, now, max_crashes, limit, changes).boxed()).await
    }

    async fn queued_before(&self, queue: QueueName, before: Timestamp, limit: u32) -> Result<Vec<Attempt>, StoreError> {
        upkeep::queued_before(&mut *self.read().await?, queue, before, limit).await
    }

    async fn running_among(&self, attempts: &[Attempt]) -> Result<Vec<Attempt>, StoreError> {
        upkeep::running_among(&mut *self.read().await?, attempts).await
    }

    async fn take_back_all(&self, now: Timestamp, max_crashes: i32) -> Result<u64, StoreError> {
        let upkeep = self.lanes.upkeep();
        upkeep.single(move |to, changes| upkeep::take_back_all(to, now, max_crashes, changes).boxed()).await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<TaskChange>, StoreError> {
        self.lanes.upkeep().single(move |to, changes| upkeep::expire(to, now, limit, changes).boxed()).await
    }

    async fn violations(&self, ended_since: Option<Timestamp>, limit: u32) -> Result<Vec<Violation>, StoreError> {
        soundness::violations(&mut *self.read().await?, ended_since, limit).await
    }

    async fn long_running(&self, started_before: Timestamp, limit: u32) -> Result<Vec<Task>, StoreError> {
        upkeep::long_running(&mut *self.read().await?, started_before, limit).await
    }

    async fn delete_ended(&self, ended_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.lanes.upkeep().single(move |to, _| upkeep::delete_ended(to, ended_before, limit).boxed()).await
    }

    async fn forget_idempotency_keys(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.lanes.upkeep().single(move |to, _| keys::forget_expired(to, now, limit).boxed()).await
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>, StoreError> {
        lists::depths(&mut *self.read().await?).await
    }

    async fn open_tasks(&self, tenant: TenantId) -> Result<u64, StoreError> {
        lists::open_tasks(&mut *self.read().await?, tenant).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        lists::ping(&mut *self.read().await?).await
    }
}

#[async_trait]
impl TenantStore for Store {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let tenant = tenant.clone();
        self.lanes.steers().single(move |to, _| tenants::create(to, tenant.clone()).boxed()).await
    }

    async fn create_tenant_once(&self, tenant: &Tenant, key: Idempotency) -> Result<NewTenantOutcome, StoreError> {
        let tenant = tenant.clone();
        self.lanes.steers().single(move |to, _| once::create_tenant(to, tenant.clone(), key.clone()).boxed()).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        tenants::by_id(&mut *self.read().await?, id).await
    }

    async fn tenant_by_name(&self, name: &TenantSlug) -> Result<Option<Tenant>, StoreError> {
        tenants::by_name(&mut *self.read().await?, name).await
    }

    async fn tenants(&self, limit: u32, offset: u64) -> Result<Page<Tenant>, StoreError> {
        tenants::list(&mut *self.read().await?, limit, offset).await
    }

    async fn update_tenant(
        &self,
        id: TenantId,
        display_name: Option<&str>,
        disabled: Option<bool>,
    ) -> Result<Option<Tenant>, StoreError> {
        let display_name = display_name.map(str::to_owned);
        self.lanes.steers().single(move |to, _| tenants::update(to, id, display_name.clone(), disabled).boxed()).await
    }

    async fn delete_tenant(&self, id: TenantId) -> Result<bool, StoreError> {
        self.lanes.steers().single(move |to, _| tenants::delete(to, id).boxed()).await
    }

    async fn create_key(&self, key: &NewKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.lanes.steers().single(move |to, _| tenants::create_key(to, key.clone()).boxed()).await
    }

    async fn create_key_once(&self, key: &NewKey, idempotency: Idempotency) -> Result<NewKeyOutcome, StoreError> {
        let key = key.clone();
        self.lanes.steers().single(move |to, _| once::create_key(to, key.clone(), idempotency.clone()).boxed()).await
    }

    async fn key_by_hash(&self, hash: &str) -> Result<Option<KeyRecord>, StoreError> {
        tenants::key_by_hash(&mut *self.read().await?, hash).await
    }

    async fn keys(&self, tenant: Option<TenantId>, limit: u32, offset: u64) -> Result<Page<KeyRecord>, StoreError> {
        tenants::keys(&mut *self.read().await?, tenant, limit, offset).await
    }

    async fn revoke_key(&self, tenant: Option<TenantId>, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        self.lanes.steers().single(move |to, _| tenants::revoke_key(to, tenant, id, now).boxed()).await
    }
}

#[async_trait]
impl MediaStore for Store {
    async fn create_media(
        &self,
        media: &Media,
        idempotency: Option<Idempotency>,
    ) -> Result<NewMediaOutcome, StoreError> {
        let media = media.clone();
        self.lanes.steers().single(move |to, _| media::create(to, media.clone(), idempotency.clone()).boxed()).await
    }

    async fn media(&self, tenant: TenantId, id: MediaId) -> Result<Option<Media>, StoreError> {
        media::by_id(&mut *self.read().await?, tenant, id).await
    }

    async fn list_media(&self, tenant: TenantId, limit: u32, offset: u64) -> Result<Page<Media>, StoreError> {
        media::list(&mut *self.read().await?, tenant, limit, offset).await
    }

    async fn delete_media(&self, tenant: TenantId, id: MediaId) -> Result<Option<Media>, StoreError> {
        self.lanes.steers().single(move |to, _| media::delete(to, tenant, id).boxed()).await
    }

    async fn known_object_paths(&self, paths: &[String]) -> Result<Vec<String>, StoreError> {
        media::known_object_paths(&mut *self.read().await?, paths).await
    }
}

#[async_trait]
impl SlotStore for Store {
    async fn record_slot(
        &self,
        tenant: TenantId,
        change: SlotChange,
        now: Timestamp,
    ) -> Result<SlotRecord, StoreError> {
        self.lanes.steers().single(move |to, _| slots::record(to, tenant, change.clone(), now).boxed()).await
    }

    async fn slots(&self, tenant: TenantId) -> Result<Vec<SlotRecord>, StoreError> {
        slots::list(&mut *self.read().await?, tenant).await
    }

    async fn slot_history(
        &self,
        tenant: TenantId,
        slot: Slot,
        limit: u32,
        offset: u64,
    ) -> Result<Page<SlotEvent>, StoreError> {
        slots::history(&mut *self.read().await?, tenant, slot, limit, offset).await
    }

    async fn forget_slot(&self, tenant: TenantId, slot: Slot, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        let actor = actor.to_owned();
        self.lanes.steers().single(move |to, _| slots::forget(to, tenant, slot, actor.clone(), now).boxed()).await
    }
}

#[async_trait]
impl ProcessStore for Store {
    async fn lead(&self, name: &str, holder: &str, now: Timestamp, lasts: Duration) -> Result<bool, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        let upkeep = self.lanes.upkeep();
        upkeep.single(move |to, _| processes::lead(to, name.clone(), holder.clone(), now, lasts).boxed()).await
    }

    async fn resign(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.lanes.upkeep().single(move |to, _| processes::resign(to, name.clone(), holder.clone()).boxed()).await
    }

    async fn report_process(&self, process: &ProcessRecord) -> Result<(), StoreError> {
        let process = process.clone();
        self.lanes.upkeep().single(move |to, _| processes::report(to, process.clone()).boxed()).await
    }

    async fn strike_process(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.lanes.upkeep().single(move |to, _| processes::strike(to, id.clone()).boxed()).await
    }

    async fn processes(&self, since: Timestamp, limit: u32) -> Result<Vec<ProcessRecord>, StoreError> {
        processes::live(&mut *self.read().await?, since, limit).await
    }

    async fn strike_silent_processes(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.lanes.upkeep().single(move |to, _| processes::strike_silent(to, before, limit).boxed()).await
    }
}
