//! What strangers write: any bytes on the wire, any text as an endpoint.
//!
//! `cargo test` runs each target over its corpus, and then over random inputs
//! for a second. For longer, here for a minute each:
//!
//! ```console
//! $ ACTIX_ZMQ_FUZZ_SECONDS=60 cargo test --lib fuzz::
//! ```
//!
//! A failure names the file of the corpus, or prints the smallest input found that
//! still fails. That becomes a file in the corpus, named after what it found.
//!
//! Random bytes are hardly ever an endpoint, and no coverage guides them: that
//! takes a nightly compiler. So each input is read in several ways: as it is,
//! as words of a grammar, and as edits of files of the corpus.
//!
//! The targets are in the crate because `framing` is private, and stays so.

mod call;
mod endpoint;
mod framing;

use std::cell::Cell;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::num::u8::ANY;
use proptest::test_runner::{Config, TestError, TestRunner};

/// No random input is longer.
const LONGEST: usize = 80;
/// The runs between two looks at the clock.
const AT_ONCE: u32 = 64;

/// What a target makes of any bytes, to have them more like what it expects.
type Grammar = fn(&[u8]) -> Vec<u8>;

/// Runs `check`, which fails by panicking, over the target's corpus and over
/// random inputs: as they are, as edits, and as the target's own grammars read them.
fn run(target: &str, grammars: &[Grammar], check: fn(&[u8])) {
    let corpus = corpus(target);
    for (name, bytes) in &corpus {
        let _whose = Named(name);
        check(bytes);
    }
    let seeds: Vec<_> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    let readings = |bytes: &[u8]| {
        let plain = [bytes.to_vec(), edited(&seeds, bytes)].into_iter();
        plain.chain(grammars.iter().map(|read| read(bytes))).collect::<Vec<_>>()
    };
    let seconds = std::env::var("ACTIX_ZMQ_FUZZ_SECONDS").unwrap_or_else(|_| "1".to_owned());
    let seconds = seconds.parse().unwrap_or_else(|_| panic!("{seconds:?} is no number of seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let config = Config { cases: AT_ONCE, failure_persistence: None, ..Config::default() };
    let runs = Cell::new(0_u64);
    while Instant::now() < until {
        // A runner that has had its cases runs no more. The seed of each is the system's.
        let ended = TestRunner::new(config.clone()).run(&vec(ANY, 0..LONGEST), |bytes| {
            runs.set(runs.get() + 1);
            readings(&bytes).iter().for_each(|input| check(input));
            Ok(())
        });
        match ended {
            Ok(()) => {}
            Err(TestError::Fail(why, bytes)) => {
                let fails = |input: &Vec<u8>| catch_unwind(|| check(input)).is_err();
                let found = readings(&bytes).into_iter().find(fails).unwrap_or(bytes);
                panic!("found b\"{}\": {why}", found.escape_ascii());
            }
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    println!("{target}: {} runs in {seconds} s", runs.get());
}

/// Says which file of the corpus it was.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("found by {}", self.0);
        }
    }
}

/// The inputs that were found worth keeping, with their files' names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fuzz/corpus").join(target);
    let files = std::fs::read_dir(&directory).into_iter().flatten();
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    assert!(paths.len() > 20, "no corpus to speak of in {}", directory.display());
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path.display().to_string(), bytes)
    };
    paths.into_iter().map(read).collect()
}

/// A seed with some bytes changed, added, taken away or replaced by the end of
/// another seed. `recipe` says which, and any bytes are a recipe.
fn edited(seeds: &[Vec<u8>], recipe: &[u8]) -> Vec<u8> {
    let pick =
        |byte: u8| seeds.get(usize::from(byte) % seeds.len().max(1)).cloned().unwrap_or_default();
    let Some((first, edits)) = recipe.split_first() else { return Vec::new() };
    let mut seed = pick(*first);
    // A few, or little of the seed would be left.
    for edit in edits.chunks_exact(3).take(8) {
        let [what, place, value] = *edit else { continue };
        let at = usize::from(place) % (seed.len() + 1);
        match what % 5 {
            0 => seed.insert(at, value),
            1 if at < seed.len() => drop(seed.remove(at)),
            2 => seed.truncate(at),
            3 => {
                let other = pick(value);
                seed.truncate(at);
                seed.extend(other.iter().skip(at));
            }
            _ => {
                if let Some(byte) = seed.get_mut(at) {
                    *byte = value;
                }
            }
        }
    }
    seed
}
