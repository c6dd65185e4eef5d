export interface ITerms {
  key: string;
  title: string;
  text: string;
  url: string;
}

export interface IRefusal {
  collection: string;
  item: string;
  reason: string;
}

/** Why something was not done, and what to do next. */
export interface IProblem {
  reason: string;
  mend: string;
  refused?: IRefusal[];
  accept?: ITerms[];
}
