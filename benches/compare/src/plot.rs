//! A bar chart for each workload.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::catalogue::{Contender, RAW, Workload};
use crate::report::{lost, measured};
use crate::results::Results;
use crate::stats::Spread;

const WIDTH: u32 = 900;
const ROW: u32 = 18;
const MARGIN: u32 = 40;
/// Where the bars begin; the names are before.
const NAMES: i32 = 290;
/// Ratios beyond this are cut, and say so.
const MOST: f64 = 4.0;

const OURS: RGBColor = RGBColor(200, 80, 30);
const THEIRS: RGBColor = RGBColor(120, 140, 160);
const BASE: RGBColor = RGBColor(60, 60, 60);

/// Draws a workload's chart: for each column a group of bars, a bar for each
/// contender, with the spread over the rounds as a line.
pub fn draw(results: &Results, workload: Workload, path: &Path) -> Result<()> {
    let contenders = measured(results, workload);
    let columns = workload.columns();
    let rows = u32::try_from((contenders.len() + 2) * columns.len())?;
    let size = (WIDTH, MARGIN + rows * ROW);
    let area = SVGBackend::new(path, size).into_drawing_area();
    let drawn = |error: DrawingAreaErrorKind<_>| anyhow!("{error}");
    area.fill(&WHITE).map_err(drawn)?;
    let text = ("sans-serif", 13).into_font();
    let title = format!("{} (ratio to raw, median and range)", workload.title());
    area.draw(&Text::new(title, (10, 10), ("sans-serif", 16).into_font())).map_err(drawn)?;

    let scale = f64::from(WIDTH.saturating_sub(NAMES.unsigned_abs() + 110)) / MOST;
    // Within the picture, so it fits.
    #[expect(clippy::cast_possible_truncation, reason = "at most the width")]
    let x = |ratio: f64| NAMES + (ratio.min(MOST) * scale) as i32;
    let mut y = i32::try_from(MARGIN)?;
    let step = i32::try_from(ROW)?;
    for column in columns {
        let label = workload.label(column);
        area.draw(&Text::new(label, (10, y), text.clone().style(FontStyle::Bold)))
            .map_err(drawn)?;
        y += step;
        let rows = i32::try_from(contenders.len())? * step;
        let one = vec![(x(1.0), y), (x(1.0), y + rows)];
        area.draw(&PathElement::new(one, BASE.mix(0.5))).map_err(drawn)?;
        for &contender in &contenders {
            let name = contender.to_string().replace(['*', '`'], "");
            area.draw(&Text::new(name, (20, y + 2), text.clone())).map_err(drawn)?;
            let cell = results.cell(workload, column, contender);
            let spread = cell
                .filter(|cell| cell.failure().is_none())
                .and_then(|cell| cell.spread(|sample| sample.ratio));
            let note = match spread {
                Some(Spread { median, min, max }) => {
                    let bar = [(NAMES, y + 3), (x(median), y + step - 3)];
                    area.draw(&Rectangle::new(bar, colour(contender).filled())).map_err(drawn)?;
                    let range = vec![(x(min), y + step / 2), (x(max), y + step / 2)];
                    area.draw(&PathElement::new(range, BLACK)).map_err(drawn)?;
                    match cell.and_then(lost) {
                        Some(lost) => format!("{median:.2}, loses {lost}"),
                        None => format!("{median:.2}"),
                    }
                }
                None if cell.is_some() => "fails".to_owned(),
                None => "–".to_owned(),
            };
            let end = spread.map_or(NAMES, |spread| x(spread.max.max(spread.median)));
            area.draw(&Text::new(note, (end + 6, y + 2), text.clone())).map_err(drawn)?;
            y += step;
        }
        y += step;
    }
    area.present().map_err(drawn)
}

fn colour(contender: Contender) -> RGBColor {
    if contender.is_ours() {
        OURS
    } else if contender.peer == RAW.peer {
        BASE
    } else {
        THEIRS
    }
}
