"""Every formula of profit, margin, price and spread is changed in turn, and every door has to show the change.

`switched` runs desk and pages as processes whose formulas listen to a switch; `changes` is the list of formulas, what the
change is, and which figures follow from each; `doors` says which door shows which figure, and reads them all.
"""
