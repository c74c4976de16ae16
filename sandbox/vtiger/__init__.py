"""An imitation of Vtiger CE 8.2.0's webservice.php: stateful, in memory, faithful to recordings.

Deliberately not simulated:
- modules other than Contacts, Accounts, Products, Services, SalesOrder, LineItem, Users, Groups,
  Currency, Tax and ProductTaxes (`listtypes` names all 35; the others answer as unknown);
- compound, deducted and regional taxes, charges other than the one of a fresh install, purchase
  costs, margins, descriptions and images of lines, product bundles, stock (orders never move it);
- an infinite total, where the real system answers nothing at all (here it is 0);
- in one place the sandbox is a guess: `revise` of a LineItem fails as its `update` does;
- the invoices that a recurring order makes;
- operations beyond the eleven in `operations` (sync, logout, related records, files, converting
  leads); they answer HTTP 500, which is also what sync and logout do on PHP 8;
- permissions: every user sees and writes everything, in the field order of an administrator;
- the recycle bin's restore, CSV import, scheduled workflows, workflow tasks other than callbacks;
- the e-mail that default workflow #6 queues for every contact saved, and how long a save takes;
- whether a save with an owner who does not exist still calls back (here it does not);
- dates in a user's format other than dd-mm-yyyy; parallel numbering producing the same number.
"""
