//! The container around an AVIF picture (ISO/IEC 23008-12 and the AVIF specification): which item is the picture, where its
//! bytes lie, how large it is, how it is turned and what its colours mean.

use std::borrow::Cow;

use image::metadata::Orientation;

use super::boxes::{Broken, Fields, boxes, find};
use super::colour::Colour;
use super::corrupt;
use crate::DecodeError;

/// Most properties that a file may list; each picture has a handful.
const MAX_PROPERTIES: usize = 1_000;
/// Most pieces that a picture's bytes may lie in.
const MAX_EXTENTS: usize = 1_000;

/// A picture in its container.
#[derive(Debug, Clone)]
pub(super) struct Container<'a> {
    /// Width as stored, before it is turned.
    pub(super) width: u32,
    /// Height as stored, before it is turned.
    pub(super) height: u32,
    /// How it is turned upright.
    pub(super) orientation: Orientation,
    /// What the container says of its colours.
    pub(super) colour: Option<Colour>,
    /// The AV1 bitstream.
    pub(super) data: Cow<'a, [u8]>,
}

impl<'a> Container<'a> {
    /// Reads the boxes around the picture; the picture itself is not looked at.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, DecodeError> {
        let meta = find(file, b"meta").ok_or(corrupt("it has no list of its parts"))?;
        let meta = meta.get(4..).ok_or(corrupt("its list of parts is cut"))?;
        let part = |name| find(meta, name).ok_or(corrupt("its list of parts is not whole"));
        let primary = primary_item(part(b"pitm")?).map_err(broken)?;
        match item_type(part(b"iinf")?, primary).map_err(broken)? {
            Some([b'a', b'v', b'0', b'1']) => {}
            Some([b'g', b'r', b'i', b'd']) => {
                return Err(unsupported("AVIF pictures put together from several are not read"));
            }
            Some(_) => return Err(unsupported("the file's main picture is not coded as AV1")),
            None => return Err(corrupt("its main picture is not listed")),
        }
        let properties = Properties::read(part(b"iprp")?, primary)?;
        let (width, height) = properties.size.ok_or(corrupt("it does not say its size"))?;
        let data = item_data(file, meta, part(b"iloc")?, primary).map_err(broken)?;
        let data = data.ok_or(corrupt("its picture is not where it says"))?;
        let orientation = upright(properties.quarter_turns, properties.mirror);
        Ok(Self { width, height, orientation, colour: properties.colour, data })
    }
}

/// True when the brands of the first box say that this is an AVIF picture or a sequence of them.
pub(crate) fn is_avif(file: &[u8]) -> bool {
    let Some(brands) = find(file, b"ftyp") else { return false };
    let is_ours = |brand: &[u8]| matches!(brand, b"avif" | b"avis");
    // Major brand, a version, then the compatible ones.
    brands.chunks_exact(4).enumerate().any(|(at, brand)| at != 1 && is_ours(brand))
}

fn primary_item(body: &[u8]) -> Result<u32, Broken> {
    let mut fields = Fields(body);
    let (version, _) = fields.version()?;
    if version == 0 { fields.u16().map(u32::from) } else { fields.u32() }
}

/// The kind of an item; `None` when it is not in the list.
fn item_type(body: &[u8], wanted: u32) -> Result<Option<[u8; 4]>, Broken> {
    let mut fields = Fields(body);
    let (version, _) = fields.version()?;
    fields.number(if version == 0 { 2 } else { 4 })?;
    for entry in boxes(fields.0) {
        let mut fields = Fields(entry?.body);
        let (version, _) = fields.version()?;
        if version < 2 {
            continue;
        }
        let item = fields.number(if version == 2 { 2 } else { 4 })?;
        fields.u16()?;
        if item == u64::from(wanted) {
            return Ok(fields.bytes(4)?.try_into().ok());
        }
    }
    Ok(None)
}

/// What the main picture's properties say.
#[derive(Debug, Default)]
struct Properties {
    size: Option<(u32, u32)>,
    colour: Option<Colour>,
    quarter_turns: u8,
    mirror: Option<u8>,
}

impl Properties {
    fn read(body: &[u8], item: u32) -> Result<Self, DecodeError> {
        let list = find(body, b"ipco").ok_or(corrupt("its properties are missing"))?;
        let list: Result<Vec<_>, _> = boxes(list).take(MAX_PROPERTIES + 1).collect();
        let list = list.map_err(broken)?;
        if list.len() > MAX_PROPERTIES {
            return Err(corrupt("it lists too many properties"));
        }
        let mut properties = Self::default();
        for one in boxes(body).map_while(Result::ok).filter(|one| one.name == *b"ipma") {
            for (index, is_essential) in associations(one.body, item).map_err(broken)? {
                // They are counted from 1; 0 means none.
                let Some(property) = usize::from(index).checked_sub(1) else { continue };
                let property = list.get(property).ok_or(corrupt("it names a property that it does not have"))?;
                let is_known = properties.take(&property.name, property.body).map_err(broken)?;
                if is_essential && !is_known {
                    return Err(unsupported("the AVIF picture has an essential property that is not known"));
                }
            }
        }
        Ok(properties)
    }

    /// Takes what matters here; false when the property is not known.
    fn take(&mut self, name: &[u8; 4], body: &[u8]) -> Result<bool, Broken> {
        let mut fields = Fields(body);
        match name {
            b"ispe" => {
                fields.version()?;
                self.size = Some((fields.u32()?, fields.u32()?));
            }
            b"irot" => self.quarter_turns = fields.u8()? & 3,
            b"imir" => self.mirror = Some(fields.u8()? & 1),
            b"colr" if body.starts_with(b"nclx") => {
                fields.bytes(8)?;
                let (matrix, range) = (fields.u16()?, fields.u8()?);
                self.colour = Some(Colour { matrix, is_full_range: range & 0x80 != 0 });
            }
            // Colour profiles and clean apertures are left alone, as the reference decoders do.
            b"colr" | b"clap" | b"av1C" | b"pixi" | b"pasp" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The properties of an item by their place in the list, and whether a reader must know each.
fn associations(body: &[u8], wanted: u32) -> Result<Vec<(u16, bool)>, Broken> {
    let mut fields = Fields(body);
    let (version, flags) = fields.version()?;
    let entries = fields.u32()?;
    for _ in 0..entries {
        let item = fields.number(if version == 0 { 2 } else { 4 })?;
        let count = fields.u8()?;
        let mut properties = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            properties.push(if flags & 1 == 0 {
                let byte = fields.u8()?;
                (u16::from(byte & 0x7f), byte & 0x80 != 0)
            } else {
                let word = fields.u16()?;
                (word & 0x7fff, word & 0x8000 != 0)
            });
        }
        if item == u64::from(wanted) {
            return Ok(properties);
        }
    }
    Ok(Vec::new())
}

/// An item's bytes, put together when they lie in several pieces; `None` when it has none, or lies outside of the file.
fn item_data<'a>(file: &'a [u8], meta: &'a [u8], body: &[u8], wanted: u32) -> Result<Option<Cow<'a, [u8]>>, Broken> {
    let mut fields = Fields(body);
    let (version, _) = fields.version()?;
    let sizes = fields.u16()?;
    let [offset_bytes, length_bytes, base_bytes, index_bytes] =
        [12, 8, 4, 0].map(|shift| usize::from(sizes >> shift & 15));
    let index_bytes = if version == 0 { 0 } else { index_bytes };
    if [offset_bytes, length_bytes, base_bytes, index_bytes].iter().any(|size| !matches!(size, 0 | 4 | 8)) {
        return Err(Broken);
    }
    let wide = if version < 2 { 2 } else { 4 };
    for _ in 0..fields.number(wide)? {
        let item = fields.number(wide)?;
        let method = if version == 0 { 0 } else { fields.u16()? & 15 };
        fields.u16()?;
        let base = fields.number(base_bytes)?;
        let extents = fields.u16()?;
        let is_wanted = item == u64::from(wanted);
        if is_wanted && usize::from(extents) > MAX_EXTENTS {
            return Err(Broken);
        }
        let mut pieces = Vec::new();
        for _ in 0..extents {
            fields.number(index_bytes)?;
            let (offset, length) = (fields.number(offset_bytes)?, fields.number(length_bytes)?);
            if is_wanted {
                pieces.push((base.checked_add(offset).ok_or(Broken)?, length));
            }
        }
        if is_wanted {
            let source = match method {
                0 => Some(file),
                1 => find(meta, b"idat"),
                _ => None,
            };
            return Ok(source.and_then(|source| gather(source, &pieces)));
        }
    }
    Ok(None)
}

/// Pieces of a whole; a length of 0 means up to its end. Together they are never longer than it.
fn gather<'a>(source: &'a [u8], pieces: &[(u64, u64)]) -> Option<Cow<'a, [u8]>> {
    let piece = |&(offset, length): &(u64, u64)| {
        let rest = source.get(usize::try_from(offset).ok()?..)?;
        if length == 0 { Some(rest) } else { rest.get(..usize::try_from(length).ok()?) }
    };
    if let [one] = pieces {
        return piece(one).filter(|data| !data.is_empty()).map(Cow::Borrowed);
    }
    let mut data = Vec::new();
    for one in pieces {
        let part = piece(one)?;
        if data.len() + part.len() > source.len() {
            return None;
        }
        data.extend_from_slice(part);
    }
    (!data.is_empty()).then_some(Cow::Owned(data))
}

/// First turned against the clock, then mirrored: 0 swaps top and bottom, 1 left and right.
fn upright(quarter_turns: u8, mirror: Option<u8>) -> Orientation {
    match (quarter_turns, mirror) {
        (0, None) => Orientation::NoTransforms,
        (1, None) => Orientation::Rotate270,
        (2, None) => Orientation::Rotate180,
        (_, None) => Orientation::Rotate90,
        (0, Some(0)) | (2, Some(1)) => Orientation::FlipVertical,
        (0, Some(_)) | (2, Some(_)) => Orientation::FlipHorizontal,
        (1, Some(0)) | (3, Some(1)) => Orientation::Rotate90FlipH,
        (_, Some(_)) => Orientation::Rotate270FlipH,
    }
}

fn broken(_: Broken) -> DecodeError {
    corrupt("its boxes do not fit into each other")
}

fn unsupported(reason: &'static str) -> DecodeError {
    DecodeError::Unsupported { reason }
}
