//! The outline of a mask's largest connected part, as a polygon.

use super::{region::Region, rle::ColumnRun};

/// How far, in pixels, the polygon may pass from a corner of the outline.
const TOLERANCE: f32 = 0.75;
/// How many points a line may miss before the next one that it reaches.
const LOOK_AHEAD: usize = 32;
/// Most points of a polygon; a longer one is made with a larger tolerance.
const MAX_POINTS: usize = 4096;

/// The outer contour of the largest part (diagonal neighbours belong together) of a region that is not empty: points in
/// the whole mask's pixels, clockwise as seen on a screen, the first not repeated.
pub(super) fn outline(region: &Region, columns: &[ColumnRun]) -> Vec<[f32; 2]> {
    let Some(start) = start_of_largest_part(columns) else { return Vec::new() };
    let corners = follow_border(region, i64::from(start.x), i64::from(start.start));
    let mut tolerance = TOLERANCE;
    let mut polygon = simplify(&corners, tolerance);
    while polygon.len() > MAX_POINTS {
        tolerance *= 2.0;
        polygon = simplify(&polygon, tolerance);
    }
    if polygon.len() < 3 {
        polygon = corners;
    }
    let (left, top) = (region.window.left as f32, region.window.top as f32);
    polygon.into_iter().map(|[x, y]| [x + left, y + top]).collect()
}

/// The first run (leftmost, then topmost) of the part with the most pixels.
fn start_of_largest_part(columns: &[ColumnRun]) -> Option<ColumnRun> {
    let mut parts = Parts { parent: (0..columns.len()).collect() };
    let mut behind = 0;
    for (index, run) in columns.iter().enumerate() {
        // Runs of the column before that end above this one touch none of the later ones either.
        while columns[behind].x + 1 < run.x || (columns[behind].x + 1 == run.x && columns[behind].end < run.start) {
            behind += 1;
        }
        let before = columns[behind..index].iter().enumerate();
        for (offset, _) in before.take_while(|(_, other)| other.x + 1 == run.x && other.start <= run.end) {
            parts.join(behind + offset, index);
        }
    }
    let mut areas = vec![0_u64; columns.len()];
    for (index, run) in columns.iter().enumerate() {
        areas[parts.root(index)] += u64::from(run.end - run.start);
    }
    let largest = (0..columns.len()).rev().max_by_key(|&index| areas[index])?;
    columns.get(largest).copied()
}

/// Sets of runs that belong together; the root of a set is its first run.
struct Parts {
    parent: Vec<usize>,
}

impl Parts {
    fn root(&mut self, mut index: usize) -> usize {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

/// Walks along the pixel edges around the part that (x, y) is the first pixel of, mask on the right hand, and notes the
/// corners where it turns.
fn follow_border(region: &Region, x: i64, y: i64) -> Vec<[f32; 2]> {
    let start = (x, y);
    let mut corners = vec![[x as f32, y as f32]];
    // Up the pixel's left edge, then right along its top edge.
    let (mut position, mut direction) = ((x + 1, y), (1, 0));
    loop {
        let turned = turn(region, position, direction);
        if turned != direction {
            if position == start && turned == (1, 0) {
                return corners;
            }
            corners.push([position.0 as f32, position.1 as f32]);
        }
        direction = turned;
        position = (position.0 + direction.0, position.1 + direction.1);
    }
}

/// The way on from a corner: left where the mask goes on diagonally, straight on along it, right where it ends.
fn turn(region: &Region, (x, y): (i64, i64), (dx, dy): (i64, i64)) -> (i64, i64) {
    // The pixels ahead on the left and on the right hand; pixel (i, j) lies right of and below corner (i, j).
    let (left, right) = match (dx, dy) {
        (1, _) => ((x, y - 1), (x, y)),
        (-1, _) => ((x - 1, y), (x - 1, y - 1)),
        (_, 1) => ((x, y), (x - 1, y)),
        _ => ((x - 1, y - 1), (x, y - 1)),
    };
    if region.contains(left.0, left.1) {
        (dy, -dx)
    } else if region.contains(right.0, right.1) {
        (dx, dy)
    } else {
        (-dy, dx)
    }
}

/// Leaves out corners that the polygon passes within the tolerance. Takes one walk around, however long.
fn simplify(ring: &[[f32; 2]], tolerance: f32) -> Vec<[f32; 2]> {
    let farthest =
        ring.iter().enumerate().max_by(|(_, a), (_, b)| distance(ring[0], **a).total_cmp(&distance(ring[0], **b)));
    let middle = farthest.map_or(0, |(index, _)| index);
    let mut polygon = Vec::new();
    simplify_chain(&ring[..=middle], tolerance, &mut polygon);
    let back: Vec<_> = ring[middle..].iter().chain(&ring[..1]).copied().collect();
    simplify_chain(&back, tolerance, &mut polygon);
    polygon
}

/// Pushes the points of a chain that are needed, without the last one.
fn simplify_chain(chain: &[[f32; 2]], tolerance: f32, kept: &mut Vec<[f32; 2]>) {
    let mut anchor = 0;
    while anchor + 1 < chain.len() {
        kept.push(chain[anchor]);
        anchor = farthest_in_line(chain, anchor, tolerance);
    }
}

/// The last point of a chain that a straight line from `anchor` reaches, passing all points between within the
/// tolerance. The steps of a slanted border swing in and out of the line, so a few points are looked ahead.
fn farthest_in_line(chain: &[[f32; 2]], anchor: usize, tolerance: f32) -> usize {
    let mut cone = Cone::new(chain[anchor], tolerance);
    let mut farthest = anchor + 1;
    for (index, &point) in chain.iter().enumerate().skip(anchor + 1) {
        if cone.holds(point) {
            farthest = index;
        }
        cone.narrow(point);
        if cone.is_closed || index - farthest > LOOK_AHEAD {
            break;
        }
    }
    farthest
}

/// The directions from an anchor that pass all points so far within the tolerance.
struct Cone {
    anchor: [f32; 2],
    tolerance: f32,
    /// Unit vectors on both sides, once a point was far enough to limit the directions.
    bounds: Option<([f32; 2], [f32; 2])>,
    reach: f32,
    /// No direction is left, or the points turned back.
    is_closed: bool,
}

impl Cone {
    fn new(anchor: [f32; 2], tolerance: f32) -> Self {
        Self { anchor, tolerance, bounds: None, reach: 0.0, is_closed: false }
    }

    fn holds(&self, point: [f32; 2]) -> bool {
        let to = [point[0] - self.anchor[0], point[1] - self.anchor[1]];
        let between = self.bounds.is_none_or(|(low, high)| cross(low, to) >= 0.0 && cross(to, high) >= 0.0);
        between && !self.turns_back(point)
    }

    fn turns_back(&self, point: [f32; 2]) -> bool {
        distance(self.anchor, point) < self.reach - self.tolerance
    }

    /// Takes out the directions that pass `point` outside the tolerance.
    fn narrow(&mut self, point: [f32; 2]) {
        let length = distance(self.anchor, point);
        self.is_closed |= self.turns_back(point);
        self.reach = self.reach.max(length);
        if length <= self.tolerance {
            return;
        }
        let [x, y] = [(point[0] - self.anchor[0]) / length, (point[1] - self.anchor[1]) / length];
        let sin = self.tolerance / length;
        let cos = (1.0 - sin * sin).sqrt();
        let (mut low, mut high) = ([x * cos + y * sin, y * cos - x * sin], [x * cos - y * sin, y * cos + x * sin]);
        if let Some((old_low, old_high)) = self.bounds {
            low = if cross(old_low, low) > 0.0 { low } else { old_low };
            high = if cross(high, old_high) > 0.0 { high } else { old_high };
        }
        self.is_closed |= cross(low, high) < 0.0;
        self.bounds = Some((low, high));
    }
}

fn cross(a: [f32; 2], b: [f32; 2]) -> f32 {
    a[0] * b[1] - a[1] * b[0]
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interpret::masks::{region::Window, rle};

    fn region(width: usize, pixels: Vec<u8>) -> Region {
        let window = Window { left: 0, top: 0, right: width, bottom: pixels.len() / width };
        Region { window, pixels }
    }

    fn runs(region: &Region) -> Vec<ColumnRun> {
        let (width, height) = (region.window.width() as u32, region.window.height() as u32);
        rle::encode(region, crate::geometry::Size { width, height }).map(|mask| mask.columns).unwrap_or_default()
    }

    fn drawing(rows: &[&str]) -> Region {
        region(rows[0].len(), rows.concat().bytes().map(|byte| u8::from(byte == b'#')).collect())
    }

    /// Area inside a ring of corners; clockwise on a screen counts as positive.
    fn area(ring: &[[f32; 2]]) -> f64 {
        let next = ring.iter().cycle().skip(1);
        ring.iter().zip(next).map(|(a, b)| f64::from(cross(*a, *b))).sum::<f64>() / 2.0
    }

    fn exact(region: &Region) -> Vec<[f32; 2]> {
        let start = start_of_largest_part(&runs(region)).map(|run| (i64::from(run.x), i64::from(run.start)));
        start.map(|(x, y)| follow_border(region, x, y)).unwrap_or_default()
    }

    #[test]
    fn the_outline_of_one_pixel_is_its_square() {
        let pixel = drawing(&["..", ".#"]);
        assert_eq!(outline(&pixel, &runs(&pixel)), [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]]);
    }

    #[test]
    fn the_largest_part_is_taken_and_diagonals_hold_together() {
        let parts = drawing(&["##....", "##..#.", "...#.#", "...#.#", "....#."]);
        let ring = exact(&parts);
        assert_eq!(ring[0], [3.0, 2.0]);
        // A ring of six pixels around a hole of two: only the outside counts.
        assert_eq!(area(&ring), 8.0);
    }

    #[test]
    fn a_disc_keeps_its_area_with_few_points() {
        let inside = |i: usize| (i % 101) as f32 - 50.0;
        let pixels = (0..101 * 101).map(|i| u8::from(inside(i).hypot((i / 101) as f32 - 50.0) < 45.0)).collect();
        let disc = region(101, pixels);
        let polygon = outline(&disc, &runs(&disc));
        assert!((8..60).contains(&polygon.len()), "{} points", polygon.len());
        let ratio = area(&polygon) / area(&exact(&disc));
        assert!((0.97..1.03).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_thin_spike_stays_in_the_polygon() {
        let mut rows = vec![".".repeat(40); 9];
        rows[3] = format!("#####{}", "#".repeat(35));
        for row in [2, 4] {
            rows[row] = format!("#####{}", ".".repeat(35));
        }
        let spike = drawing(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        let polygon = outline(&spike, &runs(&spike));
        assert!(polygon.iter().any(|point| point[0] > 39.0), "{polygon:?}");
    }

    proptest! {
        #[test]
        fn the_border_walk_ends_and_surrounds_the_largest_part(width in 1..12_usize, seed in prop::collection::vec(0..2_u8, 144)) {
            let height = 144 / width;
            let region = region(width, seed[..width * height].to_vec());
            let ring = exact(&region);
            let columns = runs(&region);
            prop_assert_eq!(ring.is_empty(), columns.is_empty());
            let largest = columns.iter().map(|run| run.end - run.start).max().unwrap_or(0);
            prop_assert!(area(&ring) >= f64::from(largest));
            prop_assert_eq!(outline(&region, &columns).len() >= 3, !columns.is_empty());
        }
    }
}
