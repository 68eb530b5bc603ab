//! A pool drawn flat: each text where the two directions in which the pool spreads most put it, with its neighbours.
//!
//! Principal component analysis by orthogonal iteration (Golub and Van Loan, Matrix Computations, 8.2.4): `X` are the
//! centred vectors, `V` the two directions. A projection shows clusters and outliers and no distances; those are told
//! by the neighbours, which come from the whole vectors.

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Embed;
use super::neighbours::{Matrix, for_each_cosine};
use crate::error::Result;

/// Neighbours that are kept for each text.
const NEIGHBOURS: usize = 6;

/// Rounds of the iteration: directions turn by less than can be drawn long before.
const ROUNDS: usize = 64;

/// Where texts lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PoolMap {
    pub(crate) points: Vec<MapPoint>,
    /// Share of the pool's variance in the two directions, 0 to 1.
    pub(crate) explained: f32,
}

/// Where a text lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MapPoint {
    /// Each from -1 to 1.
    pub(crate) at: [f32; 2],
    /// Places in the list of texts with their cosines, the nearest first.
    pub(crate) near: Vec<(usize, f32)>,
}

/// The map of these texts.
pub(crate) fn pool_map(texts: &[String], embed: &Embed<'_>) -> Result<PoolMap> {
    let matrix = Matrix::of(texts, embed)?;
    let near = neighbours(&matrix);
    let (places, explained) = project(&matrix);
    let points = places.into_iter().zip(near).map(|(at, near)| MapPoint { at, near }).collect();
    Ok(PoolMap { points, explained })
}

fn neighbours(matrix: &Matrix) -> Vec<Vec<(usize, f32)>> {
    let mut near: Vec<Vec<(usize, f32)>> = vec![Vec::new(); matrix.len()];
    for_each_cosine(
        matrix,
        matrix,
        |_| true,
        |a, b, cosine| {
            let row = &mut near[a];
            if a == b || (row.len() == NEIGHBOURS && row.last().is_some_and(|last| last.1 >= cosine)) {
                return;
            }
            let at = row.partition_point(|other| other.1 >= cosine);
            row.insert(at, (b, (cosine * 1e3).round() / 1e3));
            row.truncate(NEIGHBOURS);
        },
    );
    near
}

/// Each row in two dimensions, and the share of variance that these hold.
fn project(matrix: &Matrix) -> (Vec<[f32; 2]>, f32) {
    let view = matrix.view();
    let Some(mean) = view.mean_axis(Axis(0)) else { return (Vec::new(), 0.0) };
    let centred = &view - &mean;
    let width = centred.ncols();
    if width < 2 {
        return (vec![[0.0, 0.0]; matrix.len()], 1.0);
    }
    // Any start that is not orthogonal to the directions will do; a fixed one draws the same pool the same way.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let start = |(row, column): (usize, usize)| ((row * (2 + column)) as f32 * 0.7 + column as f32).sin();
    let mut directions = Array2::from_shape_fn((width, 2), start);
    for _ in 0..ROUNDS {
        directions = centred.t().dot(&centred.dot(&directions));
        orthonormalise(&mut directions);
    }
    let mut drawn = centred.dot(&directions);
    let (held, all) = (drawn.mapv(|x| x * x).sum(), centred.mapv(|x| x * x).sum());
    let most = drawn.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    if most > 0.0 {
        drawn /= most;
    }
    let round = |x: f32| (x * 1e4).round() / 1e4;
    let places = drawn.outer_iter().map(|row| [round(row[0]), round(row[1])]).collect();
    (places, if all > 0.0 { round(held / all) } else { 0.0 })
}

/// Gram-Schmidt on two columns; the largest entry of each is made positive, since a direction has no sign of its own.
fn orthonormalise(directions: &mut Array2<f32>) {
    for column in 0..2 {
        let before = directions.column(0).to_owned();
        let mut this = directions.column_mut(column);
        if column == 1 {
            let along = this.dot(&before);
            this.scaled_add(-along, &before);
        }
        let largest = this.iter().fold(0.0f32, |largest, x| if x.abs() > largest.abs() { *x } else { largest });
        let length = this.dot(&this).sqrt().copysign(largest);
        if length.abs() > f32::MIN_POSITIVE {
            this /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three clusters in five dimensions.
    fn vectors(texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let vector = |text: &String| {
            let number: usize = text.parse().expect("a number");
            let mut vector = vec![0.05 * (number as f32).sin(), 0.0, 0.0, 0.05 * (number as f32).cos(), 0.0];
            vector[number % 3] += 1.0;
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.into_iter().map(|x| x / length).collect()
        };
        Ok(texts.iter().map(vector).collect())
    }

    #[test]
    fn clusters_lie_apart_and_neighbours_are_of_the_same_cluster() {
        let texts: Vec<_> = (0..60).map(|number| number.to_string()).collect();
        let map = pool_map(&texts, &vectors).expect("drawn");
        assert!(map.explained > 0.9, "{}", map.explained);
        let apart = |a: usize, b: usize| {
            let (a, b) = (map.points[a].at, map.points[b].at);
            (a[0] - b[0]).hypot(a[1] - b[1])
        };
        assert!(apart(0, 3) < 0.2 && apart(0, 1) > 0.8 && apart(1, 2) > 0.8, "{:?}", &map.points[..4]);
        for (place, point) in map.points.iter().enumerate() {
            assert_eq!(point.near.len(), NEIGHBOURS);
            assert!(point.near.iter().all(|(near, _)| near % 3 == place % 3 && *near != place));
            assert!(point.near.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
    }

    #[test]
    fn nothing_one_text_and_the_same_text_twice_have_a_map() {
        assert_eq!(pool_map(&[], &vectors).expect("drawn").points, []);
        for texts in [vec!["3".to_owned()], vec!["3".to_owned(); 2]] {
            let map = pool_map(&texts, &vectors).expect("drawn");
            assert_eq!(map.points.len(), texts.len());
            assert!(map.points.iter().all(|point| point.at.iter().all(|x| x.is_finite())));
        }
    }
}
