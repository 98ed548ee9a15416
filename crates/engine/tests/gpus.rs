//! Figures of GPUs, out of a management library that is made for the test: the real one needs a real GPU.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use ortolan_engine::Gpus;

/// Two GPUs, the second of which does not tell what it draws.
const LIBRARY: &str = r#"
#include <stdio.h>
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } rates_t;
static int gpus[2] = {0, 1};
static int running;
int nvmlInit_v2(void) { running = 1; return 0; }
int nvmlShutdown(void) { running = 0; return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return running ? 0 : 1; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **gpu) { *gpu = &gpus[index]; return index < 2 ? 0 : 2; }
int nvmlDeviceGetName(void *gpu, char *name, unsigned int size) { snprintf(name, size, "Test GPU %d", *(int *)gpu); return 0; }
int nvmlDeviceGetUUID(void *gpu, char *id, unsigned int size) { memset(id, 'x', size); snprintf(id, size, "GPU-%d", *(int *)gpu); return 0; }
int nvmlDeviceGetMemoryInfo(void *gpu, memory_t *memory) { memory->total = 80ull << 30; memory->used = 3ull << 30; memory->free = 77ull << 30; return 0; }
int nvmlDeviceGetUtilizationRates(void *gpu, rates_t *rates) { rates->gpu = 25; rates->memory = 50; return 0; }
int nvmlDeviceGetPowerUsage(void *gpu, unsigned int *milliwatts) { *milliwatts = 71500; return *(int *)gpu == 0 ? 0 : 3; }
int nvmlDeviceGetTotalEnergyConsumption(void *gpu, unsigned long long *millijoules) { *millijoules = 5000000000000ull; return 0; }
"#;

fn compiled(folder: &Path, source: &str) -> std::path::PathBuf {
    let (code, library) = (folder.join("gpus.c"), folder.join("libgpus.so"));
    std::fs::write(&code, source).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).arg(&library).arg(&code).status();
    assert!(compiled.expect("cc, which links this program, compiles, too").success());
    library
}

#[test]
fn what_the_library_says_is_told_and_what_it_does_not_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let gpus = Gpus::at(&compiled(folder.path(), LIBRARY)).unwrap();
    let list = gpus.list();
    let [first, second] = &list[..] else { panic!("{list:?}") };
    assert_eq!((first.name.as_str(), first.uuid.as_str()), ("Test GPU 0", "GPU-0"));
    assert_eq!((first.memory_total_bytes, first.memory_used_bytes), (80 << 30, 3 << 30));
    assert_eq!((first.utilisation, first.power_w, first.power_limit_w), (Some(0.25), Some(71.5), None));
    assert_eq!((first.energy_j, second.power_w), (Some(5e9), None));

    let seen = |visible| Gpus::seen(gpus.list(), visible).into_iter().map(|gpu| gpu.uuid).collect::<Vec<_>>();
    assert_eq!(seen(None), ["GPU-0", "GPU-1"]);
    assert_eq!(seen(Some("1,0")), ["GPU-1", "GPU-0"]);
    assert_eq!(seen(Some("GPU-1")), ["GPU-1"]);
    assert_eq!(seen(Some("1,-1,0")), ["GPU-1"], "what follows a number that is none is hidden");
    assert!(seen(Some("")).is_empty());
}

#[test]
fn a_machine_without_the_library_has_nothing_to_say() {
    assert!(Gpus::at(Path::new("/nowhere/libnvidia-ml.so.1")).is_none());
    let folder = tempfile::tempdir().unwrap();
    let broken = compiled(folder.path(), "int nvmlInit_v2(void) { return 9; }\n");
    assert!(Gpus::at(&broken).is_none(), "a driver that does not run");
}
