//! What a process can still do once it has shut itself in.
//!
//! This file has a `main` of its own: the doors cannot be opened again, and no other thread may exist when they close.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};

use ortolan_runner::child::sandbox::{Enforcement, limit, shut_files, shut_system_calls};

const SHUT_IN: &str = "ORTOLAN_TEST_SHUT_IN";

fn main() {
    match std::env::var_os(SHUT_IN) {
        Some(parent) => shut_in(&parent.to_string_lossy()),
        None => watch(),
    }
}

fn watch() {
    let began = std::time::Instant::now();
    // As for a real runner, standard error is a pipe: a word into a file would end the process.
    let child = Command::new(std::env::current_exe().unwrap())
        .env(SHUT_IN, std::process::id().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{:?}: {said}{}", child.status, String::from_utf8_lossy(&child.stderr));
    print!("{said}");
    let passed = said.lines().filter(|line| line.contains(" ... ok")).count();
    assert!(passed > 0, "nothing was tried");
    // The form in which test programs close, so that this one is counted like the others.
    let took_s = began.elapsed().as_secs_f64();
    println!(
        "test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in {took_s:.2}s"
    );
}

fn shut_in(parent: &str) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    fs::read("/proc/self/status").expect("files can be read before");
    limit(Some(1 << 30)).unwrap();
    assert_eq!(shut_files(false), Enforcement::Full, "this kernel has no complete landlock");
    assert!(shut_system_calls(false), "this kernel has no seccomp filters");

    refused("read a file", fs::read("/etc/passwd"));
    refused("list a folder", fs::read_dir("/"));
    refused("read its own environment", fs::read("/proc/self/environ"));
    refused("read the service's memory map", fs::read(format!("/proc/{parent}/maps")));
    refused("write a file", fs::write("/tmp/ortolan-sandbox-test", "x"));
    refused("remove a file", fs::remove_file("/etc/passwd"));
    refused("connect", TcpStream::connect(address));
    refused("listen", TcpListener::bind("127.0.0.1:0"));
    refused("send datagrams", UdpSocket::bind("127.0.0.1:0"));
    refused("make a local socket", UnixListener::bind("/tmp/ortolan-sandbox-test.socket"));
    refused("make a nameless socket", UnixDatagram::unbound());
    refused("start a program", Command::new("/bin/true").status());
    refused("fork", fork());
    refused("signal the service", signal(parent.parse().unwrap()));
    refused("signal a thread of the service", signal_thread(parent.parse().unwrap()));
    refused("limit the service", limit_other(parent.parse().unwrap()));
    refused("make a memory file", memory_file());
    refused("allocate more than the limit", Vec::<u8>::new().try_reserve_exact(2 << 30));
    std::thread::spawn(|| refused("read a file in a thread", fs::read("/etc/passwd")))
        .join()
        .expect("threads may start");
    std::io::stdout().flush().unwrap();
}

fn refused<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) {
    let error = outcome.err().unwrap_or_else(|| panic!("it could {what}"));
    println!("a runner cannot {what} ... ok ({error})");
}

fn fork() -> std::io::Result<()> {
    // SAFETY: if it works against expectation, the copy leaves at once.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => unsafe { libc::_exit(0) },
        _ => Ok(()),
    }
}

fn signal(process: i32) -> std::io::Result<()> {
    // SAFETY: signal 0 only asks whether one could be sent.
    if unsafe { libc::kill(process, 0) } == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn signal_thread(process: i32) -> std::io::Result<()> {
    // SAFETY: signal 0 only asks whether one could be sent.
    if unsafe { libc::syscall(libc::SYS_tgkill, process, process, 0) } == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error())
}

fn limit_other(process: i32) -> std::io::Result<()> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: only asks for a limit, and writes it into `old`.
    if unsafe { libc::prlimit(process, libc::RLIMIT_CORE, std::ptr::null(), &mut old) } == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error())
}

fn memory_file() -> std::io::Result<()> {
    // SAFETY: the name ends with a NUL.
    if unsafe { libc::memfd_create(c"x".as_ptr(), 0) } >= 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
