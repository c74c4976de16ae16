"""An imitation of Vtiger CE 8.2.0's webservice.php: stateful, in memory, faithful to recordings.

Deliberately not simulated:
- modules other than Contacts, Accounts, Products, Services, SalesOrder, Users, Groups, Currency,
  Tax and ProductTaxes (`listtypes` names all 35; the others answer as unknown);
- line items, totals, product taxes and prices per currency;
- operations beyond the eleven in `operations` (sync, logout, related records, files, converting
  leads); they answer HTTP 500, which is also what sync and logout do on PHP 8;
- permissions: every user sees and writes everything, in the field order of an administrator;
- the recycle bin's restore, CSV import, scheduled workflows, workflow tasks other than callbacks;
- the e-mail that default workflow #6 queues for every contact saved, and how long a save takes;
- whether a save with an owner who does not exist still calls back (here it does not);
- dates in a user's format other than dd-mm-yyyy; parallel numbering producing the same number.
"""
