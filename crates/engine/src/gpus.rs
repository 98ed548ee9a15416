//! What NVIDIA's management library says of a machine's GPUs. It is looked for when the program runs: a machine without it
//! simply has nothing to say.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;

use libloading::{Library, Symbol};

/// The library's name, which comes with the driver.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Most GPUs that are asked.
const MOST_GPUS: c_uint = 64;
/// Most bytes of a name or an id, as the library defines them.
const MOST_TEXT: usize = 96;

type Handle = *mut c_void;

/// The management library, opened.
#[derive(Debug)]
pub struct Gpus {
    library: Library,
}

/// One GPU as it is now. What it does not tell is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuFacts {
    /// Its id, for instance `GPU-8f0c...`.
    pub uuid: String,
    /// What it is called.
    pub name: String,
    /// All of its memory.
    pub memory_total_bytes: u64,
    /// What of it is in use, by anybody.
    pub memory_used_bytes: u64,
    /// The share of the last moments in which it did something, 0 to 1.
    pub utilisation: Option<f64>,
    /// What it draws, in watts.
    pub power_w: Option<f64>,
    /// What it may draw, in watts.
    pub power_limit_w: Option<f64>,
    /// What it has drawn since the driver was loaded, in joules.
    pub energy_j: Option<f64>,
}

#[repr(C)]
#[derive(Default)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

#[repr(C)]
#[derive(Default)]
struct Utilisation {
    gpu: c_uint,
    memory: c_uint,
}

impl Gpus {
    /// The driver's library, if the machine has it and it answers.
    pub fn open() -> Option<Self> {
        Self::at(Path::new(LIBRARY))
    }

    /// The library of that name or path.
    pub fn at(library: &Path) -> Option<Self> {
        // SAFETY: the driver's library; what runs when it is loaded is as trusted as the driver.
        let library = unsafe { Library::new(library) }.ok()?;
        let gpus = Self { library };
        gpus.call::<unsafe extern "C" fn() -> c_int>(b"nvmlInit_v2\0", |init| unsafe { init() })?;
        Some(gpus)
    }

    /// All GPUs in the library's order. Asks the driver, which takes some milliseconds.
    pub fn list(&self) -> Vec<GpuFacts> {
        let mut count = 0;
        let counted = self
            .call::<unsafe extern "C" fn(*mut c_uint) -> c_int>(b"nvmlDeviceGetCount_v2\0", |get| unsafe {
                get(&mut count)
            });
        let count = if counted.is_some() { count.min(MOST_GPUS) } else { 0 };
        (0..count).filter_map(|index| self.facts(index)).collect()
    }

    /// Of `list`, those that a process sees whose `CUDA_VISIBLE_DEVICES` is `visible`, in the order in which it sees them.
    pub fn seen(list: Vec<GpuFacts>, visible: Option<&str>) -> Vec<GpuFacts> {
        let Some(visible) = visible else { return list };
        let find = |word: &str| match word.trim().parse::<usize>() {
            Ok(index) => list.get(index).cloned(),
            Err(_) if word.trim().is_empty() => None,
            Err(_) => list.iter().find(|gpu| gpu.uuid.starts_with(word.trim())).cloned(),
        };
        // Whatever follows something that is none is not seen either.
        visible.split(',').map_while(find).collect()
    }

    fn facts(&self, index: c_uint) -> Option<GpuFacts> {
        let mut handle: Handle = std::ptr::null_mut();
        type ByIndex = unsafe extern "C" fn(c_uint, *mut Handle) -> c_int;
        self.call::<ByIndex>(b"nvmlDeviceGetHandleByIndex_v2\0", |get| unsafe { get(index, &mut handle) })?;
        let memory: Memory = self.get(b"nvmlDeviceGetMemoryInfo\0", handle)?;
        let utilisation: Option<Utilisation> = self.get(b"nvmlDeviceGetUtilizationRates\0", handle);
        let milliwatts = |name| self.get::<c_uint>(name, handle).map(|milliwatts| f64::from(milliwatts) / 1e3);
        Some(GpuFacts {
            uuid: self.text(b"nvmlDeviceGetUUID\0", handle).unwrap_or_default(),
            name: self.text(b"nvmlDeviceGetName\0", handle).unwrap_or_default(),
            memory_total_bytes: memory.total,
            memory_used_bytes: memory.used,
            utilisation: utilisation.map(|rates| f64::from(rates.gpu) / 100.0),
            power_w: milliwatts(b"nvmlDeviceGetPowerUsage\0"),
            power_limit_w: milliwatts(b"nvmlDeviceGetEnforcedPowerLimit\0"),
            energy_j: self.get::<u64>(b"nvmlDeviceGetTotalEnergyConsumption\0", handle).map(|mj| mj as f64 / 1e3),
        })
    }

    /// Asks something of one GPU that is a plain value.
    fn get<T: Default>(&self, name: &[u8], gpu: Handle) -> Option<T> {
        let mut value = T::default();
        type Get<T> = unsafe extern "C" fn(Handle, *mut T) -> c_int;
        self.call::<Get<T>>(name, |get| unsafe { get(gpu, &mut value) })?;
        Some(value)
    }

    fn text(&self, name: &[u8], gpu: Handle) -> Option<String> {
        let mut text = [0 as c_char; MOST_TEXT];
        type Get = unsafe extern "C" fn(Handle, *mut c_char, c_uint) -> c_int;
        self.call::<Get>(name, |get| unsafe { get(gpu, text.as_mut_ptr(), MOST_TEXT as c_uint - 1) })?;
        // SAFETY: the last byte was not lent, so the text ends within the array.
        Some(unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    /// Calls a function of the library; `None` when it is missing or does not answer with success.
    fn call<F>(&self, name: &[u8], ask: impl FnOnce(&Symbol<'_, F>) -> c_int) -> Option<()> {
        // SAFETY: the types are those of the library's published interface.
        let function = unsafe { self.library.get::<F>(name) }.ok()?;
        (ask(&function) == 0).then_some(())
    }
}

impl Drop for Gpus {
    fn drop(&mut self) {
        // Whether it succeeds or not, nothing is asked any more.
        self.call::<unsafe extern "C" fn() -> c_int>(b"nvmlShutdown\0", |end| unsafe { end() });
    }
}
