//! The register of numbers as one hash: from a number to when its holder was heard of last, the holder's name and its host. Times
//! are the server's.

use fred::interfaces::LuaInterface;

use super::connection::Redis;
use crate::ResultsError;
use crate::numbers::{Holder, LEASE, SAME_HOST_LEASE};

const REGISTER: &str = "ortolan:ml_numbers";

/// Takes a number. Holders that were silent for a day are forgotten.
/// KEYS: the register. ARGV: the holder's name, its host, the smallest number, the lease in milliseconds, that between processes of
/// one host, and 1 to wait for a holder of the same host, who may be gone.
/// Returns the number, or -1 to wait.
const CLAIM: &str = r"
    local time = redis.call('time')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local from, lease, host_lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
    local held, before, wait = {}, nil, false
    local entries = redis.call('hgetall', KEYS[1])
    for at = 1, #entries, 2 do
        local number = tonumber(entries[at])
        local seen, name, host = string.match(entries[at + 1], '^(%d+) (%S+) (.*)$')
        local silent = now - tonumber(seen)
        local is_same_host = host == ARGV[2] and number >= from
        if name == ARGV[1] or (is_same_host and silent >= host_lease) then
            before = math.min(before or number, number)
        elseif silent < lease then
            held[number] = true
            wait = wait or is_same_host
        elseif silent > 86400000 then
            redis.call('hdel', KEYS[1], entries[at])
        end
    end
    local number = before
    if not number then
        if wait and ARGV[6] == '1' then return -1 end
        number = from
        while held[number] do number = number + 1 end
    end
    redis.call('hset', KEYS[1], number, string.format('%d %s %s', now, ARGV[1], ARGV[2]))
    redis.call('pexpire', KEYS[1], 86400000)
    return number";

/// Says of a number when its holder was heard of last, unless it has another holder.
/// KEYS: the register. ARGV: the number, the holder's name, its host, how many milliseconds ago. Returns 1 when it is the holder's.
const KEEP: &str = r"
    local entry = redis.call('hget', KEYS[1], ARGV[1])
    if entry and string.match(entry, '^%d+ (%S+)') ~= ARGV[2] then return 0 end
    local time = redis.call('time')
    local seen = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[4]
    redis.call('hset', KEYS[1], ARGV[1], string.format('%d %s %s', seen, ARGV[2], ARGV[3]))
    redis.call('pexpire', KEYS[1], 86400000)
    return 1";

impl Redis {
    /// The number, or `None` when the holder should ask again a little later.
    pub(crate) async fn claim_number(&self, holder: &Holder, may_wait: bool) -> Result<Option<u32>, ResultsError> {
        let Holder { name, host, from } = holder;
        let leases = [LEASE, SAME_HOST_LEASE].map(|lease| lease.as_millis().to_string());
        let [lease, host_lease] = leases;
        let arguments =
            vec![name.clone(), host.clone(), from.to_string(), lease, host_lease, u8::from(may_wait).to_string()];
        let number: i64 = self
            .in_time(self.client().eval(CLAIM, REGISTER, arguments))
            .await
            .map_err(ResultsError::store("give a number"))?;
        Ok(u32::try_from(number).ok())
    }

    /// False when it has another holder.
    pub(crate) async fn keep_number(&self, holder: &Holder, number: u32) -> Result<bool, ResultsError> {
        self.report_number(holder, number, 0).await
    }

    /// Lets others have it.
    pub(crate) async fn release_number(&self, holder: &Holder, number: u32) -> Result<(), ResultsError> {
        self.report_number(holder, number, LEASE.as_millis()).await.map(drop)
    }

    async fn report_number(&self, holder: &Holder, number: u32, silent_ms: u128) -> Result<bool, ResultsError> {
        let arguments = vec![number.to_string(), holder.name.clone(), holder.host.clone(), silent_ms.to_string()];
        let kept: i64 = self
            .in_time(self.client().eval(KEEP, REGISTER, arguments))
            .await
            .map_err(ResultsError::store("keep a number"))?;
        Ok(kept == 1)
    }
}
