//! Shuts the runner in, before it sees a byte of a tenant's. Whatever it needs (the runtime, socket, segment) is open by
//! then, and models come as descriptors, so that on the processor no path at all stays readable.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde::{Deserialize, Serialize};

/// How much of a policy the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// All of it.
    Full,
    /// What an older kernel knows of it; files are always among that.
    Partial,
    /// Nothing.
    None,
}

/// What a GPU's driver opens while it runs.
const GPU_PATHS: [&str; 5] =
    ["/proc/driver/nvidia", "/proc/devices", "/sys/devices", "/sys/bus/pci", "/etc/ld.so.cache"];
const GPU_DEVICES: &str = "/dev";

/// Limits that hold from the start. The service's death is noticed on the command socket, because the kernel's signal for
/// it follows the thread that started this process, not the service.
pub fn limit(address_space: Option<u64>) -> io::Result<()> {
    if let Some(bytes) = address_space {
        set(libc::RLIMIT_AS, bytes)?;
    }
    set(libc::RLIMIT_FSIZE, 0)?;
    set(libc::RLIMIT_NOFILE, 128)?;
    set(libc::RLIMIT_CORE, 0)?;
    // SAFETY: both only restrict this process.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) != 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn set(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: reads one struct.
    if unsafe { libc::setrlimit(resource, &limit) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Shuts off files, network, signals and abstract sockets. Binds the calling thread and those it starts later, so it runs
/// before there are any.
pub fn shut_files(with_gpu: bool) -> Enforcement {
    match try_shut_files(with_gpu) {
        Ok(RulesetStatus::FullyEnforced) => Enforcement::Full,
        Ok(RulesetStatus::PartiallyEnforced) => Enforcement::Partial,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Enforcement::None,
    }
}

fn try_shut_files(with_gpu: bool) -> Result<RulesetStatus, landlock::RulesetError> {
    let abi = ABI::V6;
    let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(abi))?;
    let rules = rules.handle_access(AccessNet::from_all(abi))?.scope(Scope::from_all(abi))?;
    let mut rules = rules.create()?;
    if with_gpu {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        rules = rules.add_rules(path_beneath_rules(GPU_PATHS, read))?;
        rules = rules.add_rules(path_beneath_rules(library_folders(), read))?;
        let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        rules = rules.add_rules(path_beneath_rules(gpu_devices(), device))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// The folders out of which libraries come: CUDA's load others of their own when a kernel first needs them.
fn library_folders() -> BTreeSet<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let loaded = maps.lines().filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])));
    let is_library = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"));
    let loaded = loaded.filter(is_library).filter_map(|path| path.parent().map(Path::to_owned));
    let searched = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let searched = std::env::split_paths(&searched).filter(|folder| folder.is_absolute());
    loaded.chain(searched).collect()
}

fn gpu_devices() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(GPU_DEVICES) else { return Vec::new() };
    // The second is how Windows shows GPUs to the Linux under it.
    let is_gpu = |name: &OsStr| name.to_string_lossy().starts_with("nvidia") || name == "dxg";
    entries.flatten().filter(|entry| is_gpu(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// Refuses system calls that decoding and inference never need: new processes, programs, sockets, signals to others, and
/// ways to look at or change other processes (their limits and priorities among them) or the kernel. False when the kernel
/// has no filters.
pub fn shut_system_calls(with_gpu: bool) -> bool {
    let filters = filters(with_gpu).and_then(|filters| {
        filters
            .into_iter()
            .map(|filter| Ok(BpfProgram::try_from(filter)?))
            .collect::<Result<Vec<_>, seccompiler::Error>>()
    });
    let Ok(programs) = filters else { return false };
    programs.iter().all(|program| seccompiler::apply_filter_all_threads(program).is_ok())
}

fn filters(with_gpu: bool) -> Result<[SeccompFilter; 2], seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    if !with_gpu {
        refused.extend(REFUSED_WITHOUT_GPU.iter().map(|call| (*call, Vec::new())));
    }
    let not_a_thread = condition(SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64), 0)?;
    refused.insert(libc::SYS_clone, vec![SeccompRule::new(vec![not_a_thread])?]);
    // `abort` signals its own process.
    let to_others = condition(SeccompCmpOp::Ne, u64::from(std::process::id()))?;
    refused.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![to_others])?]);
    let refuse = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32), arch)?;
    // clone3 hides its flags in memory, where a filter cannot look; "no such call" makes the C library use clone.
    let clone3 = [(libc::SYS_clone3, Vec::new())].into();
    let absent = SeccompFilter::new(clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32), arch)?;
    Ok([absent, refuse])
}

/// A condition on a system call's first argument.
fn condition(operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(0, SeccompCmpArgLen::Qword, operator, value)?)
}

const REFUSED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_perf_event_open,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_prctl,
    libc::SYS_setrlimit,
    libc::SYS_prlimit64,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
];

/// CUDA makes these for itself.
const REFUSED_WITHOUT_GPU: &[i64] = &[libc::SYS_socketpair, libc::SYS_memfd_create];
