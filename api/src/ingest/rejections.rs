//! The items of an array that were not taken: each is named, and what is wrong with them up to a bound.

use super::item::ItemFaults;
use super::metrics::count_rejected;
use super::types::RejectedItem;
use crate::http::error::{ApiError, FieldError, MAX_FAULTS};

/// Those of one array.
#[derive(Debug, Default)]
pub struct Rejections(Vec<(usize, ItemFaults)>);

impl Rejections {
    /// Adds the item at `index`.
    pub fn add(&mut self, index: usize, faults: ItemFaults) {
        count_rejected(faults.code, 1);
        self.0.push((index, faults));
    }

    /// All of them, in the array's order.
    pub fn into_items(self) -> Vec<RejectedItem> {
        self.listed().0
    }

    /// Their faults as an error, where nothing was taken.
    pub fn into_error(self) -> ApiError {
        let (items, untold) = self.listed();
        let mut faults: Vec<_> = items.into_iter().flat_map(|item| item.errors).collect();
        if untold > 0 {
            faults.truncate(MAX_FAULTS - 1);
            let detail = format!("judging stopped at {MAX_FAULTS} faults: those of {untold} items are not all listed");
            faults.push(FieldError::more(detail));
        }
        ApiError::Validation(faults)
    }

    /// The items, and of how many not all faults are listed.
    fn listed(self) -> (Vec<RejectedItem>, usize) {
        let (mut room, mut untold) = (MAX_FAULTS, 0_usize);
        let mut all = self.0;
        all.sort_by_key(|(index, _)| *index);
        let list = |(index, faults): (usize, ItemFaults)| {
            let mut errors = faults.listed;
            untold = untold.saturating_add(usize::from(!faults.is_complete || errors.len() > room));
            errors.truncate(room);
            room = room.saturating_sub(errors.len());
            for error in &mut errors {
                error.pointer.insert_str(0, &format!("/{index}"));
            }
            RejectedItem { index, errors }
        };
        (all.into_iter().map(list).collect(), untold)
    }
}

#[cfg(test)]
mod tests {
    use super::{ItemFaults, Rejections};
    use crate::http::error::{ApiError, FieldError, MAX_FAULTS};

    fn rejections(items: usize) -> Rejections {
        let mut rejections = Rejections::default();
        for index in (0..items).rev() {
            let others = ItemFaults::one(FieldError::new("cpu", "out_of_range", "is too much"));
            let first = FieldError::new("device_id", "unknown_device", "there is no such device");
            rejections.add(index, ItemFaults::behind(first, Some(others)));
        }
        rejections
    }

    #[test]
    fn every_item_is_named_and_so_many_faults_are_told() {
        let items = rejections(60).into_items();
        assert!(items.iter().map(|item| item.index).eq(0..60));
        assert_eq!(items.iter().map(|item| item.errors.len()).sum::<usize>(), MAX_FAULTS);
        assert_eq!((items[49].errors[1].pointer.as_str(), items[50].errors.len()), ("/49/cpu", 0));
    }

    #[test]
    fn an_error_says_that_there_are_more() {
        let faults = |items| match rejections(items).into_error() {
            ApiError::Validation(faults) => faults,
            other => panic!("{other:?}"),
        };
        assert_eq!((faults(50).len(), faults(50)[99].code), (100, "out_of_range"));
        let last = faults(60).pop().unwrap();
        assert_eq!((faults(60).len(), last.code), (100, "more"));
        assert!(last.detail.contains("those of 10 items"), "{}", last.detail);
    }
}
