//! The command socket: packets of 16 bytes and a text on a pair of SOCK_SEQPACKET, with file descriptors beside them.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use bytemuck::{Pod, Zeroable};

/// To the runner, first: its settings as JSON; the segment and the bell.
pub(crate) const HELLO: u32 = 1;
/// To the runner: a memory file for the call `id`.
pub(crate) const ATTACH: u32 = 2;
/// To the runner: the call `id` is no longer wanted.
pub(crate) const CANCEL: u32 = 3;
/// To the runner: forget the model `model`.
pub(crate) const UNLOAD: u32 = 4;
/// To the service: ready; a report as JSON.
pub(crate) const READY: u32 = 5;
/// To the service: cannot start; words.
pub(crate) const FAILED: u32 = 6;
/// To the service: how far the call `id` is, in thousandths, where the model's number stands otherwise.
pub(crate) const PROGRESS: u32 = 7;

/// Most bytes of the text.
pub(crate) const MAX_TEXT: usize = 4096;
const MAX_DESCRIPTORS: usize = 4;

/// The fixed part of a packet.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Pod, Zeroable)]
pub(crate) struct Packet {
    pub(crate) kind: u32,
    pub(crate) model: u32,
    pub(crate) id: u64,
}

/// A packet with what came along.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) packet: Packet,
    pub(crate) text: String,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Whether descriptors that come with a packet are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Descriptors {
    /// Of the service.
    Take,
    /// Of a runner: the kernel drops them, so that they cannot fill the service's table.
    Refuse,
}

/// Makes both ends of a command socket.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors; on success both are ours.
    unsafe {
        check(
            libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) as isize
        )?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// Sends a packet. Never waits, because the other side may be stuck, and raises no signal, because it may be dead.
pub(crate) fn send(socket: BorrowedFd<'_>, packet: Packet, text: &[u8], descriptors: &[RawFd]) -> Result<()> {
    if text.len() > MAX_TEXT || descriptors.len() > MAX_DESCRIPTORS {
        return Err(Error::other("the packet is too large"));
    }
    let mut parts = [bytemuck::bytes_of(&packet), text]
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    let mut space = [0u64; 8];
    // SAFETY: a zeroed header is valid; it points to buffers that outlive the call, and the control space of 64 bytes
    // has room for four descriptors with their header.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (parts.as_mut_ptr(), parts.len());
        if !descriptors.is_empty() {
            let size = u32::try_from(size_of_val(descriptors)).map_err(Error::other)?;
            message.msg_control = space.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size) as usize;
            let control = libc::CMSG_FIRSTHDR(&message);
            ((*control).cmsg_level, (*control).cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
            (*control).cmsg_len = libc::CMSG_LEN(size) as usize;
            std::ptr::copy_nonoverlapping(descriptors.as_ptr(), libc::CMSG_DATA(control).cast(), descriptors.len());
        }
        check(libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)).map(drop)
    }
}

/// Receives a packet, or nothing when the other side has closed or sent something that is no packet.
pub(crate) fn receive(socket: BorrowedFd<'_>, take: Descriptors) -> Result<Option<Received>> {
    let mut bytes = [0u8; size_of::<Packet>() + MAX_TEXT];
    let mut space = [0u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut descriptors = Vec::new();
    // SAFETY: as in `send`; the kernel writes no more than the buffers hold, and descriptors it hands over are ours.
    let length = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
        if take == Descriptors::Take {
            (message.msg_control, message.msg_controllen) = (space.as_mut_ptr().cast(), size_of_val(&space));
        }
        let length = check(libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC))?;
        let control = libc::CMSG_FIRSTHDR(&message);
        if !control.is_null() && (*control).cmsg_type == libc::SCM_RIGHTS {
            let count = ((*control).cmsg_len - libc::CMSG_LEN(0) as usize) / size_of::<RawFd>();
            let first: *const RawFd = libc::CMSG_DATA(control).cast();
            descriptors.extend((0..count).map(|index| OwnedFd::from_raw_fd(first.add(index).read_unaligned())));
        }
        length
    };
    let Some((packet, text)) = bytes[..length].split_at_checked(size_of::<Packet>()) else { return Ok(None) };
    let text = String::from_utf8_lossy(text).into_owned();
    Ok(Some(Received { packet: bytemuck::pod_read_unaligned(packet), text, descriptors }))
}

fn check(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_packet_arrives_with_its_text_and_descriptors() {
        let (here, there) = pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let packet = Packet { kind: ATTACH, model: 3, id: 1 << 40 };
        send(here.as_fd(), packet, b"hello", &[writer.as_raw_fd()]).unwrap();
        drop(writer);
        let received = receive(there.as_fd(), Descriptors::Take).unwrap().unwrap();
        assert_eq!((received.packet, received.text.as_str(), received.descriptors.len()), (packet, "hello", 1));
        drop(received);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the last writing end was the one that was sent");
        drop(here);
        assert!(receive(there.as_fd(), Descriptors::Take).unwrap().is_none());
    }

    #[test]
    fn descriptors_of_a_runner_are_dropped() {
        let (service, runner) = pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(runner.as_fd(), Packet::default(), b"", &[writer.as_raw_fd()]).unwrap();
        drop(writer);
        let received = receive(service.as_fd(), Descriptors::Refuse).unwrap().unwrap();
        assert!(received.descriptors.is_empty());
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nobody holds the writing end");
    }
}
