"""What figures and kept records look like."""

from manager.admin.show import RAW_CHARACTERS, raw


def test_raw_when_it_is_enormous_then_the_page_is_cut_and_says_by_how_much() -> None:
    shown = raw({"a": "x" * 5_000_000})

    assert len(shown) < RAW_CHARACTERS + 1_000
    assert shown.endswith("... and 4,900,013 more characters</pre>")


def test_raw_when_it_fits_then_all_of_it_is_shown_and_nothing_is_markup() -> None:
    assert raw({"a": "<b>"}) == '<pre class="td-json">{\n  &quot;a&quot;: &quot;&lt;b&gt;&quot;\n}</pre>'
