//! `README.md`: the tables, and what is to be known of them.

use std::fmt::Write;

use crate::catalogue::{Build, Column, Contender, RAW, Workload};
use crate::results::{Cell, Figure, Results};
use crate::scale::{self, Aim};
use crate::stats::Spread;
use crate::task::Peer;

const METHOD: &str = include_str!("method.md");

/// The workloads that have a table of contenders.
pub const TABLES: [Workload; 7] = [
    Workload::Receive,
    Workload::Send,
    Workload::Both,
    Workload::PubSub,
    Workload::ReqRep,
    Workload::Latency,
    Workload::Calls,
];

/// The whole page.
pub fn page(results: &Results) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, results);
    page
}

fn write_page(page: &mut String, results: &Results) -> std::fmt::Result {
    let setting = &results.setting;
    page.push_str(METHOD);
    writeln!(page, "\n## Where and with what\n")?;
    writeln!(page, "| | |\n|---|---|")?;
    writeln!(page, "| Date | {} |", setting.date)?;
    writeln!(page, "| Machine | {}, {} cores |", setting.cpu, setting.cores)?;
    writeln!(page, "| System | {} |", setting.kernel)?;
    writeln!(page, "| Compiler | {}, `lto = \"thin\"`, `codegen-units = 1` |", setting.rustc)?;
    writeln!(
        page,
        "| Rounds | {}, each measurement {} ms after {} ms of warm-up |",
        setting.rounds, setting.measured_ms, setting.warm_up_ms
    )?;
    let versions: Vec<String> =
        setting.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    writeln!(page, "| Versions | {} |", versions.join(", "))?;
    for (what, why) in &setting.skipped {
        writeln!(page, "| **Left out** | {what}: {why} |")?;
    }
    for workload in TABLES {
        if results.cells.iter().any(|cell| cell.workload == workload) {
            write_table(page, results, workload)?;
        }
    }
    write_scale(page, results)?;
    write_losses(page, results)
}

fn write_table(page: &mut String, results: &Results, workload: Workload) -> std::fmt::Result {
    let columns = workload.columns();
    writeln!(page, "\n## {}\n", workload.title())?;
    writeln!(page, "![{}]({}.svg)\n", workload.title(), workload.key())?;
    let better = if workload.is_latency() { "lower" } else { "higher" };
    writeln!(page, "Ratio to raw, median [min–max]; {better} is better.\n")?;
    heading(page, workload, columns)?;
    for contender in measured(results, workload) {
        row(page, &contender.to_string(), columns, |column| {
            results.cell(workload, column, contender).map(ratio)
        })?;
    }
    for build in [Build::System, Build::Tuned] {
        let ours = Contender { peer: Peer::Inline, build };
        if measured(results, workload).contains(&ours) {
            let name = format!("{ours}, to raw on the same");
            row(page, &name, columns, |column| {
                let cell = results.cell(workload, column, ours)?;
                cell.spread(|sample| sample.ratio_same_libzmq).map(bracketed)
            })?;
        }
    }
    let what = match workload {
        Workload::Latency => {
            "Median / 99th percentile of the round trip in µs, and CPU time for each at the client's end"
        }
        Workload::ReqRep | Workload::Calls => {
            "Replies per second, and CPU time for each at the client's end"
        }
        _ => "Messages per second, and CPU time for each at the contender's ends",
    };
    writeln!(page, "\n{what} (medians).\n")?;
    heading(page, workload, columns)?;
    for contender in measured(results, workload) {
        row(page, &contender.to_string(), columns, |column| {
            results.cell(workload, column, contender).map(|cell| absolute(workload, cell))
        })?;
    }
    Ok(())
}

fn heading(page: &mut String, workload: Workload, columns: &[Column]) -> std::fmt::Result {
    let labels: Vec<String> = columns.iter().map(|column| workload.label(column)).collect();
    writeln!(page, "| | {} |", labels.join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(columns.len()))
}

fn row(
    page: &mut String,
    name: &str,
    columns: &[Column],
    cell: impl Fn(&Column) -> Option<String>,
) -> std::fmt::Result {
    let cells: Vec<String> =
        columns.iter().map(|column| cell(column).unwrap_or_else(|| "–".to_owned())).collect();
    writeln!(page, "| {name} | {} |", cells.join(" | "))
}

/// Those with a row in the workload's table.
pub fn measured(results: &Results, workload: Workload) -> Vec<Contender> {
    let has = |contender: &Contender| {
        workload.columns().iter().any(|column| results.cell(workload, column, *contender).is_some())
    };
    Contender::all().into_iter().filter(has).collect()
}

fn ratio(cell: &Cell) -> String {
    if cell.failure().is_some() {
        return "fails".to_owned();
    }
    let ratio = cell.spread(|sample| sample.ratio).map_or_else(|| "–".to_owned(), bracketed);
    match lost(cell) {
        Some(lost) => format!("loses {lost}; {ratio}"),
        None => ratio,
    }
}

/// The share of messages that a contender loses, if any were lost.
pub fn lost(cell: &Cell) -> Option<String> {
    let worst = cell.spread(|sample| sample.error.is_none().then_some(sample.lost))?.max;
    (worst > 0.0).then(|| {
        let percent = worst * 100.0;
        if percent < 1.0 { format!("{percent:.2} %") } else { format!("{percent:.0} %") }
    })
}

fn bracketed(spread: Spread) -> String {
    let Spread { median, min, max } = spread;
    format!("{} [{}–{}]", short(median), short(min), short(max))
}

/// Two digits that matter, three above one.
fn short(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

fn absolute(workload: Workload, cell: &Cell) -> String {
    let cpu = cell
        .spread(|sample| sample.cpu_ns)
        .map_or_else(String::new, |cpu| format!(", {:.2} µs", cpu.median / 1e3));
    if workload.is_latency() {
        let median = |spread: Option<Spread>| spread.map_or(f64::NAN, |spread| spread.median);
        let p50 = median(cell.spread(|sample| sample.p50_us));
        let p99 = median(cell.spread(|sample| sample.p99_us));
        return format!("{p50:.0} / {p99:.0}{cpu}");
    }
    match cell.spread(|sample| sample.rate) {
        Some(rate) => format!("{}{cpu}", thousands(rate.median)),
        None => "fails".to_owned(),
    }
}

/// `1.2 M`, `34 k`.
fn thousands(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e5 => format!("{:.0} k", rate / 1e3),
        rate => format!("{:.1} k", rate / 1e3),
    }
}

fn write_scale(page: &mut String, results: &Results) -> std::fmt::Result {
    if results.scale.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## Scale\n")?;
    let contenders: Vec<Contender> = Contender::all()
        .into_iter()
        .filter(|one| results.scale.iter().any(|figure| figure.contender == one.key()))
        .collect();
    let names: Vec<String> = contenders.iter().map(ToString::to_string).collect();
    writeln!(page, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    for (what, unit, _) in scale::named() {
        let cells: Vec<String> = contenders
            .iter()
            .map(|&one| match (figure(results, what, one), found(results, what, one)) {
                (Some(Spread { median, min, max }), _) => {
                    format!("{median:.2} [{min:.2}–{max:.2}]")
                }
                (None, Some(_)) => "fails".to_owned(),
                (None, None) => "–".to_owned(),
            })
            .collect();
        writeln!(page, "| {what}, {unit} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn found<'a>(results: &'a Results, what: &str, contender: Contender) -> Option<&'a Figure> {
    let key = contender.key();
    results.scale.iter().find(|figure| figure.what == what && figure.contender == key)
}

fn figure(results: &Results, what: &str, contender: Contender) -> Option<Spread> {
    Spread::of(found(results, what, contender)?.samples.iter().copied())
}

/// Where we are slower than raw, behind a peer, or short of what we want.
fn write_losses(page: &mut String, results: &Results) -> std::fmt::Result {
    let mut short_of = String::new();
    let mut behind = String::new();
    for workload in TABLES {
        for column in workload.columns() {
            for contender in measured(results, workload) {
                if contender.is_ours() {
                    compare(&mut short_of, results, workload, column, contender)?;
                }
            }
            ahead(&mut behind, results, workload, column)?;
        }
    }
    for (what, unit, aim) in scale::named() {
        let ours = Contender { peer: Peer::Inline, build: Build::Stock };
        let Some(own) = figure(results, what, ours) else { continue };
        let most = match aim {
            Aim::Nothing => continue,
            Aim::Figure(most) => most,
            Aim::Raw(times) => match figure(results, what, RAW) {
                Some(raw) => raw.median * times,
                None => continue,
            },
        };
        if own.median > most {
            writeln!(short_of, "- {what}: {:.2} {unit} where we want {most:.2}", own.median)?;
        }
    }
    writeln!(page, "\n## Where we fall short\n")?;
    writeln!(
        page,
        "Of what we aim for, which is a ratio to raw on the same libzmq (with the tuned one, to raw on the stock one):\n"
    )?;
    page.push_str(if short_of.is_empty() { "- nowhere\n" } else { &short_of });
    writeln!(page, "\nOf other peers, by the medians, inline on the stock libzmq:\n")?;
    page.push_str(if behind.is_empty() { "- nowhere\n" } else { &behind });
    Ok(())
}

fn compare(
    text: &mut String,
    results: &Results,
    workload: Workload,
    column: &Column,
    contender: Contender,
) -> std::fmt::Result {
    let Some(target) = workload.target(contender, column) else { return Ok(()) };
    let Some(cell) = results.cell(workload, column, contender) else { return Ok(()) };
    let to_stock = contender.build == Build::Tuned;
    let spread =
        cell.spread(|sample| if to_stock { sample.ratio } else { sample.ratio_same_libzmq });
    let label = workload.label(column);
    match spread {
        Some(Spread { median, .. }) if is_short(workload, median, target) => {
            let name = contender.to_string().replace('*', "");
            writeln!(
                text,
                "- {}, {label}, {name}: {} where we want {target}",
                workload.key(),
                short(median)
            )
        }
        _ => Ok(()),
    }
}

fn is_short(workload: Workload, ratio: f64, target: f64) -> bool {
    if workload.is_latency() { ratio > target } else { ratio < target }
}

fn ahead(
    text: &mut String,
    results: &Results,
    workload: Workload,
    column: &Column,
) -> std::fmt::Result {
    let ours = Contender { peer: Peer::Inline, build: Build::Stock };
    let median = |contender: Contender| {
        let cell = results.cell(workload, column, contender)?;
        // A peer that drops messages runs another race.
        if cell.failure().is_some() || lost(cell).is_some() {
            return None;
        }
        cell.spread(|sample| sample.ratio).map(|spread| spread.median)
    };
    let Some(own) = median(ours) else { return Ok(()) };
    let mut better: Vec<String> = Vec::new();
    for peer in measured(results, workload) {
        let Some(theirs) = median(peer) else { continue };
        let is_peer = !peer.is_ours() && peer != RAW && peer.build == Build::Stock;
        if is_peer && is_short(workload, own, theirs) {
            better.push(format!("{peer} {}", short(theirs)));
        }
    }
    if better.is_empty() {
        return Ok(());
    }
    let label = workload.label(column);
    writeln!(text, "- {}, {label}: {} against {}", workload.key(), short(own), better.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Sample;

    fn results(rows: &[(Peer, &[f64], f64)]) -> Results {
        let mut results = Results::default();
        let (workload, column) = (Workload::Receive, &Workload::Receive.columns()[0]);
        for &(peer, ratios, lost) in rows {
            for &ratio in ratios {
                let (ratio, rate) = (Some(ratio), Some(ratio * 1e6));
                let sample =
                    Sample { ratio, ratio_same_libzmq: ratio, rate, lost, ..Sample::default() };
                results.add(workload, column, Contender { peer, build: Build::Stock }, sample);
            }
        }
        results
    }

    #[test]
    fn a_cell_is_the_median_of_ratios_with_both_ends() {
        let page =
            page(&results(&[(Peer::Raw, &[1.0], 0.0), (Peer::Inline, &[0.9, 1.1, 0.97], 0.0)]));
        assert!(page.contains("| **actix-zmq**, inline | 0.97 [0.90–1.10] | –"), "{page}");
        assert!(page.contains("| **actix-zmq**, inline | 970 k | –"), "{page}");
    }

    #[test]
    fn a_figure_of_scale_is_held_to_its_aim() {
        let mut results = Results::default();
        let ours = Contender { peer: Peer::Inline, build: Build::Stock };
        for (what, unit, _) in scale::named() {
            results.add_figure(what, RAW, unit, Ok(10.0));
            results.add_figure(what, ours, unit, Ok(11.0));
        }
        let page = page(&results);
        assert!(page.contains("in 10 s: 11.00 ms where we want 1.00"), "{page}");
        assert!(page.contains("unrelated one: 11.00 µs where we want 1.00"), "{page}");
        assert!(!page.contains("the receiver: 11.00"), "1.1 times raw is enough: {page}");
    }

    #[test]
    fn what_is_lost_is_told_and_does_not_win() {
        let rows: &[(Peer, &[f64], f64)] = &[
            (Peer::Raw, &[1.0], 0.0),
            (Peer::Inline, &[0.9], 0.0),
            (Peer::Omq, &[2.0], 0.22),
            (Peer::Rzmq, &[1.84], 0.0),
        ];
        let page = page(&results(rows));
        assert!(page.contains("| omq | loses 22 %; 2.00 [2.00–2.00] |"), "{page}");
        assert!(page.contains("- receive, 16 B: 0.90 against rzmq 1.84\n"), "{page}");
        assert!(
            page.contains("- receive, 16 B, actix-zmq, inline: 0.90 where we want 0.95"),
            "{page}"
        );
    }
}
