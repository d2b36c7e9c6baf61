//! What was measured, as it is kept in `results.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Column, Contender, Workload};
use crate::stats::Spread;

/// Everything, over several runs of the command.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Where, and with what, the newest run was made.
    pub setting: Setting,
    pub cells: Vec<Cell>,
    /// The figures of the `scale` part.
    #[serde(default)]
    pub scale: Vec<Figure>,
}

/// Where it was measured, and with what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Setting {
    pub date: String,
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub rustc: String,
    pub versions: BTreeMap<String, String>,
    pub rounds: usize,
    pub measured_ms: u64,
    pub warm_up_ms: u64,
    /// What was left out, and why.
    #[serde(default)]
    pub skipped: BTreeMap<String, String>,
}

/// One contender in one column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    pub workload: Workload,
    pub column: String,
    pub contender: String,
    pub date: String,
    pub samples: Vec<Sample>,
}

/// One contender in one column in one round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Messages per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// To raw on the stock libzmq in the same round; of the median round trip for
    /// latency, of the rate otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// To raw on the same libzmq in the same round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_same_libzmq: Option<f64>,
    /// The share of the messages that never came.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: f64,
    /// CPU time for each message of the contender's ends, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ns: Option<f64>,
    /// Peak memory of the larger of the contender's ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rss_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// Why there is no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(lost: &f64) -> bool {
    *lost == 0.0
}

impl Sample {
    /// What contenders are compared by.
    pub fn figure(&self, workload: Workload) -> Option<f64> {
        if workload.is_latency() { self.p50_us } else { self.rate }
    }
}

impl Cell {
    /// The spread of anything over the rounds.
    pub fn spread(&self, figure: impl FnMut(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(figure))
    }

    /// Why at least half of the rounds gave no figure.
    pub fn failure(&self) -> Option<&str> {
        let failures: Vec<&str> =
            self.samples.iter().filter_map(|sample| sample.error.as_deref()).collect();
        if failures.len() * 2 < self.samples.len() { None } else { failures.first().copied() }
    }
}

/// One figure of the `scale` part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    pub what: String,
    pub contender: String,
    pub unit: String,
    pub samples: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Results {
    /// Those of an earlier run, or none.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("{} is not ours", path.display()))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(std::fs::write(path, text)?)
    }

    pub fn cell(&self, workload: Workload, column: &Column, contender: Contender) -> Option<&Cell> {
        let (column, contender) = (workload.label(column), contender.key());
        self.cells.iter().find(|cell| {
            cell.workload == workload && cell.column == column && cell.contender == contender
        })
    }

    /// Adds one round's sample.
    pub fn add(
        &mut self,
        workload: Workload,
        column: &Column,
        contender: Contender,
        sample: Sample,
    ) {
        let (column, contender) = (workload.label(column), contender.key());
        let found = self.cells.iter_mut().find(|cell| {
            cell.workload == workload && cell.column == column && cell.contender == contender
        });
        match found {
            Some(cell) => cell.samples.push(sample),
            None => {
                let (date, samples) = (self.setting.date.clone(), vec![sample]);
                self.cells.push(Cell { workload, column, contender, date, samples });
            }
        }
    }

    /// Adds one round's figure of the `scale` part.
    pub fn add_figure(
        &mut self,
        what: &str,
        contender: Contender,
        unit: &str,
        figure: Result<f64>,
    ) {
        let contender = contender.key();
        let found = self
            .scale
            .iter_mut()
            .find(|figure| figure.what == what && figure.contender == contender);
        let kept = match found {
            Some(kept) => kept,
            None => {
                let (what, unit) = (what.to_owned(), unit.to_owned());
                let new = Figure { what, contender, unit, samples: Vec::new(), error: None };
                self.scale.push(new);
                let Some(new) = self.scale.last_mut() else { return };
                new
            }
        };
        match figure {
            Ok(figure) => kept.samples.push(figure),
            Err(error) => kept.error = Some(format!("{error:#}")),
        }
    }

    /// These, and of the earlier ones what was not measured again: every ratio
    /// is to the raw figure of its own run.
    pub fn merged_into(self, earlier: Self) -> Self {
        let mut merged = self;
        for cell in earlier.cells {
            let again = merged.cells.iter().any(|new| {
                (new.workload, &new.column, &new.contender)
                    == (cell.workload, &cell.column, &cell.contender)
            });
            if !again {
                merged.cells.push(cell);
            }
        }
        for figure in earlier.scale {
            let again = merged
                .scale
                .iter()
                .any(|new| (&new.what, &new.contender) == (&figure.what, &figure.contender));
            if !again {
                merged.scale.push(figure);
            }
        }
        for (name, version) in earlier.setting.versions {
            merged.setting.versions.entry(name).or_insert(version);
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::RAW;

    fn results(date: &str, workload: Workload, rate: f64) -> Results {
        let mut results = Results::default();
        results.setting.date = date.to_owned();
        let column = &workload.columns()[0];
        let sample = Sample { rate: Some(rate), ratio: Some(1.0), ..Sample::default() };
        results.add(workload, column, RAW, sample);
        results
    }

    #[test]
    fn a_run_of_one_workload_keeps_the_others() {
        let earlier = results("monday", Workload::Receive, 1.0).merged_into(results(
            "monday",
            Workload::Send,
            2.0,
        ));
        let merged = results("tuesday", Workload::Send, 3.0).merged_into(earlier);
        assert_eq!(merged.cells.len(), 2);
        let rate = |workload: Workload| {
            merged.cell(workload, &workload.columns()[0], RAW).unwrap().samples[0].rate.unwrap()
        };
        assert_eq!((rate(Workload::Receive), rate(Workload::Send)), (1.0, 3.0));
    }

    #[test]
    fn a_cell_fails_when_half_of_its_rounds_do() {
        let failed = || Sample { error: Some("times out".into()), ..Sample::default() };
        let mut results = results("today", Workload::Receive, 1.0);
        let column = &Workload::Receive.columns()[0];
        let failure = |results: &Results| {
            let cell = results.cell(Workload::Receive, column, RAW).unwrap();
            cell.failure().map(str::to_owned)
        };
        assert_eq!(failure(&results), None);
        results.add(Workload::Receive, column, RAW, failed());
        assert_eq!(failure(&results).as_deref(), Some("times out"));
    }
}
