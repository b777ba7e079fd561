"""Words of the command line are put in quotes where Hydra's grammar would stumble over them."""

from fewshot_fer.cli.words import as_list, as_text


def test_words_survive_hydra() -> None:
    """Lists and paths with letters that its grammar does not know are put in quotes."""
    assert as_list("images=a b.jpg,'c,d.jpg'", "images") == "images=['a b.jpg','c,d.jpg']"
    for word in ("images=[a,b]", "images=", "support=a,b", "images=null"):
        assert as_list(word, "images") == word
    assert as_text("support=내 얼굴", "support") == "support='내 얼굴'"
    assert as_text("support=it's", "support") == r"support='it\'s'"
    for word in ("support=null", "support=", "run=x", "support='a'", "support=${run}"):
        assert as_text(word, "support") == word
