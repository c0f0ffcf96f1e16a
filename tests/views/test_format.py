"""Texts as people read them, also those that nobody would write."""

import time

from deltarule.views.format import short_words


def test_words_are_cut_where_no_line_holds_them() -> None:
    assert short_words("abcd efgh", 4) == "abcd efgh"
    assert short_words("x" * 9, 4) == "xxxx xxxx x"
    assert short_words("a\u00a0b\u00a0c", 3) == "a\u00a0b \u00a0c"


def test_a_word_of_megabytes_takes_time_in_its_length() -> None:
    start = time.process_time()
    pieces = short_words("x" * 20_000_000, 90)
    assert time.process_time() - start < 10
    assert pieces.count(" ") == 20_000_000 // 90
