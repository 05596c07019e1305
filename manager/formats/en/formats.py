"""Times of trading rows to the second, UTC, the longest part first."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
