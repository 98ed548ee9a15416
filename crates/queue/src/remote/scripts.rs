//! What apalis-redis leaves to us, as scripts that Redis runs whole.

use std::sync::LazyLock;

use redis::Script;

/// Moves jobs from the `scheduled` set, where every push puts them, to the `active` list, a bounded number at a time.
///
/// apalis moves all of them in one call at the next fetch, which fails for good from 8,000 jobs on. Nothing here is ever
/// scheduled for later, so every job there is due, whatever the clocks of two machines say.
/// KEYS: scheduled set, active list. ARGV: how many at most, a channel on which to wake consumers or "". Returns how many.
pub(super) static PROMOTE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local ids = redis.call('zrange', KEYS[1], 0, ARGV[1] - 1)
        for _, id in ipairs(ids) do
            redis.call('rpush', KEYS[2], id)
            redis.call('zrem', KEYS[1], id)
        end
        if ARGV[2] ~= '' then redis.call('publish', ARGV[2], '') end
        return #ids",
    )
});

/// Strikes off a worker that is gone for certain, and puts back what it had fetched and not acknowledged. An id without
/// data or metadata is dropped: a fetch of it would end the next worker.
/// KEYS: worker set, the worker's inflight set, active list, data hash, the worker's metadata, roll of workers.
/// ARGV: worker, prefix of the jobs' metadata. Returns how many jobs were put back.
pub(super) static RETIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local put_back = 0
        for _, id in ipairs(redis.call('smembers', KEYS[2])) do
            if redis.call('hexists', KEYS[4], id) == 1 and redis.call('exists', ARGV[2] .. ':' .. id) == 1 then
                redis.call('rpush', KEYS[3], id)
                put_back = put_back + 1
            end
        end
        redis.call('zrem', KEYS[1], ARGV[1])
        redis.call('zrem', KEYS[6], ARGV[1])
        redis.call('del', KEYS[2], KEYS[5])
        return put_back",
    )
});

/// Removes what finished jobs leave behind, a bounded number at a time.
/// KEYS: set of finished ids, data hash. ARGV: prefix of the jobs' metadata, how many at most. Returns how many.
pub(super) static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local ids = redis.call('spop', KEYS[1], ARGV[2])
        for _, id in ipairs(ids) do
            redis.call('hdel', KEYS[2], id)
            redis.call('del', ARGV[1] .. ':' .. id)
        end
        return #ids",
    )
});

/// Drops ids from the head of the active list that have no data or no metadata: a fetch of one ends a worker.
/// KEYS: active list, data hash. ARGV: prefix of the jobs' metadata, how many to look at. Returns how many.
pub(super) static DROP_GHOSTS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local dropped = 0
        for _, id in ipairs(redis.call('lrange', KEYS[1], 0, ARGV[2] - 1)) do
            local meta = ARGV[1] .. ':' .. id
            if redis.call('hexists', KEYS[2], id) == 0 or redis.call('exists', meta) == 0 then
                dropped = dropped + redis.call('lrem', KEYS[1], 0, id)
                redis.call('hdel', KEYS[2], id)
                redis.call('del', meta)
            end
        end
        return dropped",
    )
});

/// Finds ids that wait for nobody: unknown ones, and those that a worker has fetched. The lists are as long as the dispatch
/// window at most.
/// KEYS: active list, scheduled set. ARGV: ids. Returns the ids found.
pub(super) static MISSING: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local waiting = {}
        for _, id in ipairs(redis.call('lrange', KEYS[1], 0, -1)) do waiting[id] = true end
        for _, id in ipairs(redis.call('zrange', KEYS[2], 0, -1)) do waiting[id] = true end
        local missing = {}
        for _, id in ipairs(ARGV) do
            if not waiting[id] then missing[#missing + 1] = id end
        end
        return missing",
    )
});
